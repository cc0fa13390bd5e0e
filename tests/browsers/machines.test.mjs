// One person on two machines: what one browser began another one goes on with.

import assert from "node:assert/strict";
import { beforeEach } from "node:test";
import {
  ENGINE_NAMES,
  arrives,
  guestToken,
  heldFile,
  inEachEngine,
  launchBrowser,
  until,
  upload,
  useSite,
} from "./harness.mjs";
import { sent } from "./under-way.mjs";

const MIB = 1024 * 1024;

const stack = useSite();

beforeEach(() => stack.proxy.behave());

inEachEngine(stack, (engine, test) => {
  const next = ENGINE_NAMES[(ENGINE_NAMES.indexOf(engine.name) + 1) % ENGINE_NAMES.length];

  test(`what a browser that was killed had begun, ${next} goes on with`, {}, async (t) => {
    const workspace = stack.workspace();
    const token = await guestToken(stack, workspace);
    const first = await launchBrowser(engine.name);
    t.after(() => first.close());
    const page = await engine.openPage(t, { browser: first, workspace, token });
    const file = await heldFile(stack, "under way.bin", 40 * MIB, 2);
    await upload(page, file);
    const isKnown = async () => (await page.evaluate((name) => app.look(name), file.name)).stored >= 2;
    await until(isKnown, "two parts are stored");
    await first.kill();
    file.letGo();

    const second = await launchBrowser(next);
    t.after(() => second.close());
    const there = await engine.openPage(t, { browser: second, workspace, token });
    const open = await there.evaluate(() => app.openUploads());
    assert.deepEqual(
      open.map(([name]) => name),
      [file.name],
    );
    const stranger = await engine.openPage(t, { browser: second, workspace });
    assert.deepEqual(await stranger.evaluate(() => app.openUploads()), [], "another person has none open");

    const before = sent(stack);
    assert.ok(before.length >= 2);
    await there.setFiles("#files", [file.path]);
    await there.evaluate((name) => void app.continueOpen(name), file.name);
    await until(() => there.evaluate((name) => app.look(name) !== undefined, file.name), "it goes on");
    await arrives(stack, there, file.name, file);
    const again = sent(stack).slice(before.length);
    assert.deepEqual(
      again.filter((part) => before.includes(part)),
      [],
      "no stored part is sent again",
    );
    assert.deepEqual(await there.evaluate(() => app.openUploads()), []);
  });

  test("another file than the one that was begun is refused", {}, async (t) => {
    const workspace = stack.workspace();
    const token = await guestToken(stack, workspace);
    const page = await engine.openPage(t, { workspace, token });
    const file = await heldFile(stack, "mine.bin", 20 * MIB, 2);
    await upload(page, file);
    const isKnown = async () => (await page.evaluate((name) => app.look(name), file.name)).stored >= 2;
    await until(isKnown, "two parts are stored");
    const browser = await launchBrowser(engine.name);
    t.after(() => browser.close());
    const there = await engine.openPage(t, { browser, workspace, token });
    const other = await stack.file("other.bin", 20 * MIB);
    await there.setFiles("#files", [other.path]);
    const code = await there.evaluate((name) => app.continueOpen(name).catch(({ code }) => code), other.name);
    assert.equal(code, "file_changed");
    file.letGo();
    await arrives(stack, page, file.name, file);
  });
});
