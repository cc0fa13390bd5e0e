// A telephone, as far as each engine can play one: a narrow page, a finger, a screen that must not go dark.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, beforeEach } from "node:test";
import {
  ARTIFACTS,
  arrives,
  heldFile,
  inEachEngine,
  launchBrowser,
  openDemo,
  reaches,
  until,
  upload,
  useSite,
} from "./harness.mjs";

const MIB = 1024 * 1024;

const stack = useSite();

beforeEach(() => stack.proxy.behave());

/** Has the page keep how many locks of the screen it holds, and how often it asked for one. */
function countWakeLocks() {
  const locks = (globalThis.wakeLocks = { asked: 0, held: 0, all: [] });
  const wakeLock = navigator.wakeLock ?? {};
  Object.defineProperty(navigator, "wakeLock", { value: wakeLock, configurable: true });
  wakeLock.request = async () => {
    locks.asked++;
    locks.held++;
    const sentinel = Object.assign(new EventTarget(), { release: async () => void locks.held-- });
    locks.all.push(sentinel);
    return sentinel;
  };
}

const wakeLocks = (page) => page.evaluate(() => ({ asked: wakeLocks.asked, held: wakeLocks.held }));

inEachEngine(stack, (engine, test) => {
  let phone;
  const launched = () => (phone ??= launchBrowser(engine.name, { phone: true }));
  after(async () => (await phone)?.close());

  test("the demo page fits a telephone, and pauses and resumes by touch", {}, async (t) => {
    const page = await openDemo(stack, t, await launched());
    const press = (button) =>
      (page.tap ?? page.click).call(page, `[data-testid="upload"] [data-testid="${button}"]`);
    // So large that the page sends it in parts.
    const file = await heldFile(stack, "from a phone.bin", 40 * MIB, 1);
    await page.setFiles('[data-testid="file-input"]', [file.path]);
    const state = () => page.evaluate(() => document.querySelector('[data-testid="upload"]')?.dataset.state);
    // By then all that belongs to an upload is shown, and nothing moves under the finger any more.
    const isUnderWay = () => Number(document.querySelector('[data-testid="upload"]')?.dataset.loaded) > 0;
    await until(() => page.evaluate(isUnderWay), "it is under way");
    const { wide, room } = await page.evaluate(() => ({
      wide: document.documentElement.scrollWidth,
      room: innerWidth,
    }));
    assert.ok(room < 600, `the page is ${room} pixels wide`);
    assert.ok(wide <= room, `${wide} pixels want to be shown in ${room}`);
    await press("pause");
    await until(async () => (await state()) === "paused", "it is paused");
    await mkdir(ARTIFACTS, { recursive: true });
    await page.screenshot(join(ARTIFACTS, `phone-${engine.name}.png`));
    file.letGo();
    await press("resume");
    await until(async () => (await state()) === "available", "it is available");
    assert.deepEqual(await page.evaluate(() => globalThis.problems), []);
  });

  test("the screen stays on while an upload moves, without being asked for", {}, async (t) => {
    // WebKitGTK cannot be told that a finger steers it.
    const options = engine.name === "webkit" ? { wakeLock: true } : {};
    const page = await engine.openPage(t, { browser: await launched(), options });
    await page.evaluate(countWakeLocks);
    const file = await heldFile(stack, "moving.bin", 12 * MIB, 1);
    await upload(page, file);
    await until(async () => (await wakeLocks(page)).held === 1, "the screen is held");
    await page.evaluate((name) => app.order(name, "pause"), file.name);
    await until(async () => (await wakeLocks(page)).held === 0, "a paused upload lets go of it");
    await page.evaluate((name) => app.order(name, "resume"), file.name);
    await until(async () => (await wakeLocks(page)).held === 1, "it is held again");
    // Whoever comes back from another app finds the lock gone: the browser has taken it away.
    const { asked } = await page.evaluate(() => {
      wakeLocks.held--;
      const before = { asked: wakeLocks.asked };
      document.dispatchEvent(new Event("visibilitychange"));
      return before;
    });
    await until(async () => (await wakeLocks(page)).asked === asked + 1, "it is asked for anew");
    file.letGo();
    await arrives(stack, page, file.name, file);
    await until(async () => (await wakeLocks(page)).held === 0, "an upload that is over lets go of it");
  });

  test("a page that may not hold the screen uploads all the same", {}, async (t) => {
    const page = await engine.openPage(t, { browser: await launched() });
    await page.evaluate(() => {
      if (navigator.wakeLock)
        navigator.wakeLock.request = () => Promise.reject(new DOMException("no", "NotAllowedError"));
    });
    const file = await stack.file("dark.bin", MIB);
    await upload(page, file);
    await arrives(stack, page, file.name, file);
  });

  test("no screen is held where the page has a mouse", {}, async (t) => {
    const page = await engine.openPage(t);
    await page.evaluate(countWakeLocks);
    const file = await stack.file("desk.bin", MIB);
    await upload(page, file);
    await reaches(page, file.name, "available");
    assert.deepEqual(await wakeLocks(page), { asked: 0, held: 0 });
  });
});
