// Readable, in reach and accessible in every language, light and dark, on a telephone and wide, empty and busy. On the way
// the pictures of the documentation are taken: docs/screenshots/README.md.

import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { createRequire } from "node:module";
import { before, test } from "node:test";
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { launchChromium } from "../../stack/chromium.mjs";
import {
  ARTIFACTS,
  folderOf,
  loads,
  offeredStreams,
  pick,
  reaches,
  sparseFile,
  until,
  uploadRow,
  useStack,
} from "./harness.mjs";

const SHOWN = fileURLToPath(new URL("../../docs/screenshots/", import.meta.url));
const MIB = 1024 * 1024;

const stack = useStack({ launch: () => launchChromium({ args: ["--use-fake-device-for-media-stream"] }) });
let axe;

before(async () => {
  await mkdir(ARTIFACTS, { recursive: true });
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
});

const PHONE = { width: 320, height: 740 };
const TALL_PHONE = { width: 390, height: 1080 };
const DESKTOP = { width: 1280, height: 1080 };

const PICTURES = [
  { name: "desktop-light", size: DESKTOP },
  { name: "desktop-dark", size: DESKTOP, colorScheme: "dark" },
  { name: "desktop-right-to-left", size: DESKTOP, language: "ar" },
  { name: "phone-light", size: TALL_PHONE },
  { name: "phone-dark", size: TALL_PHONE, colorScheme: "dark" },
];

test("in every language, light or dark, on a phone or wide, all is readable, in reach and accessible", async (t) => {
  const permissions = ["camera", "microphone"];
  const page = await stack.openPage(t, {
    locale: "en-US",
    deviceScaleFactor: 2,
    viewport: DESKTOP,
    permissions,
  });
  await lookAtAll(t, page, "empty");
  await t.test("asked to go on as another guest", () => lookAtInvitation(page));
  await set(page, { size: DESKTOP });
  await page.evaluate(begin, ["Wedding, second day.mov", 3 * 1024 * MIB]);
  await page.reload();
  await page.locator("li[data-testid=other-devices]").waitFor();
  await showEveryState(page);
  for (const picture of PICTURES) await take(page, picture);
  await t.test("the documentation shows these pictures", async () => {
    for (const { name } of PICTURES) {
      const [shown, taken] = [SHOWN, ARTIFACTS].map((folder) => pixels(join(folder, `${name}.png`)));
      assert.deepEqual(await shown, await taken, name);
    }
  });
  stack.proxy.shape({ total: 4 * MIB });
  await showRecordings(page);
  for (const summary of await page.locator(".explain summary").all()) await summary.click();
  await lookAtAll(t, page, "busy");

  await t.test("forced colours", async () => {
    await set(page, { size: DESKTOP, forcedColors: "active" });
    await page.screenshot({ path: join(ARTIFACTS, "forced-colours.png") });
    assert.deepEqual(await violations(page), []);
  });
});

async function lookAtAll(t, page, what) {
  for (const language of ["en", "de", "ar"]) {
    for (const colorScheme of ["light", "dark"]) {
      for (const size of [PHONE, DESKTOP]) {
        const name = [what, language, colorScheme, size.width].join("-");
        await t.test(name, () => look(page, name, { size, colorScheme, language }));
      }
    }
  }
}

async function look(page, name, how) {
  await set(page, how);
  await page.screenshot({ path: join(ARTIFACTS, `${name}.png`), scale: "css", fullPage: true });
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(await small(page), [], "targets of less than 24 pixels");
  const [content, window] = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return [scrollWidth, clientWidth];
  });
  assert.ok(content <= window, `${content} px wide in a window of ${window} px`);
}

async function lookAtInvitation(page) {
  const address = page.url();
  await page.goto("about:blank");
  await page.goto(`${address}#guest=${"a".repeat(32)}`);
  await page.locator("#invitation").waitFor();
  await look(page, "invitation-phone", { size: PHONE });
  await look(page, "invitation-dark", { size: DESKTOP, colorScheme: "dark", language: "ar" });
  await page.locator("#refuse-guest").click();
}

/** Shows a recording that is under way, and one that another page, which is gone, has not uploaded. */
async function showRecordings(page) {
  const other = await page.context().newPage();
  await other.goto(page.url());
  await record(other);
  await other.close();
  await offeredStreams(page);
  await record(page);
}

/** Begins an upload as another device does, whose browser knows of it alone. Runs in the page. */
async function begin([name, size]) {
  const secret = localStorage.getItem("guest");
  const workspace = new URLSearchParams(location.search).get("workspace");
  const form = new URLSearchParams({ grant_type: "urn:syncsphere:guest", workspace, guest_secret: secret });
  const { access_token } = await (await fetch("/v1/auth/token", { method: "POST", body: form })).json();
  const headers = { authorization: `Bearer ${access_token}`, "content-type": "application/json" };
  const body = JSON.stringify({ files: [{ clientRef: "1", name, size }] });
  await fetch("/v1/uploads", { method: "POST", headers, body });
}

/** Records the camera until something is kept. */
async function record(page) {
  await page.locator("#record-camera").click();
  const kept = page.getByTestId("recording").locator("[data-part=kept]");
  await until(async () => /[1-9]/.test(await kept.textContent()), "bytes are kept");
}

async function set(page, { size, colorScheme = "light", language = "en", forcedColors = "none" }) {
  await page.setViewportSize(size);
  // axe must not meet colours in transition.
  await page.emulateMedia({ colorScheme, forcedColors, reducedMotion: "reduce" });
  await page.locator("#language").selectOption(language);
}

async function take(page, { name, ...how }) {
  await set(page, how);
  // A telephone shows the uploads, not the empty drop zone above them.
  const top = how.size === TALL_PHONE ? "#activity" : "h1";
  await page.locator(top).evaluate((element) => {
    scrollTo(0, element.getBoundingClientRect().top + scrollY - 16);
  });
  await page.mouse.move(1, 1);
  const path = join(ARTIFACTS, `${name}.png`);
  await page.screenshot({ path, scale: how.size === DESKTOP ? "css" : "device" });
}

/** Width and height. Source: the header of a PNG file. */
async function pixels(path) {
  const header = await readFile(path);
  return [header.readUInt32BE(16), header.readUInt32BE(20)];
}

/** Brings uploads into as many states as there are, all by real means. */
async function showEveryState(page) {
  for (const [name, size] of [
    [`${"a-very-long-name-".repeat(14)}end.tar.gz`, 2_345_678],
    ["empty.txt", 0],
    ["تقرير المبيعات السنوي.xlsx", 48_213],
  ]) {
    await pick(page, await stack.file(name, size));
    await reaches(page, name, "available");
  }

  stack.proxy.shape({ total: 24 * MIB });
  const moved = await sparseFile(stack, "moved away.iso", 400 * MIB);
  await pick(page, moved);
  await loads(page, moved.name, 1);
  await rm(moved.path);
  await reaches(page, moved.name, "failed");

  const photos = Array.from({ length: 8 }, (_, n) => [`day ${1 + (n >> 2)}/IMG_${4711 + n}.jpg`, 900_000]);
  await page
    .getByTestId("folder-input")
    .setInputFiles(await folderOf(stack, "Summer at the lake", Object.fromEntries(photos)));
  await reaches(page, "IMG_4718.jpg", "available");
  await page.locator("[data-part=fold]").click();

  for (const [name, size, end, state] of [
    ["wrong folder.zip", 64 * MIB, "abort", "aborted"],
    ["Отчёт за октябрь 2026.pdf", 80 * MIB, "pause", "paused"],
  ]) {
    await pick(page, await sparseFile(stack, name, size));
    await loads(page, name, size / 5);
    await uploadRow(page, name).getByTestId(end).click();
    await reaches(page, name, state);
  }

  const moving = await sparseFile(stack, "Director's cut.mov", 1600 * MIB);
  await pick(page, moving);
  const row = uploadRow(page, moving.name);
  await row.getByText("/s").waitFor();
  // How many parts there are depends on the speed.
  await loads(page, moving.name, 240 * MIB);
  await row.getByText(/^[1-9]\d* of \d+ parts stored/).waitFor();
  await page.evaluate(() => scrollTo(0, 0));
}

/** What axe finds against WCAG 2.2 AA and good practice, one line each. */
async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const rules = { "target-size": { enabled: true } };
    return (await globalThis.axe.run(document, { rules })).violations;
  });
  return found.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}

/** What can be pressed and is smaller than WCAG 2.2 wants it. */
async function small(page) {
  return await page.evaluate(() =>
    [...document.querySelectorAll("button, a, select, summary, label.button, input:not(.unseen)")]
      .filter((element) => !element.matches(".skip") && element.checkVisibility())
      .map((element) => [element, element.getBoundingClientRect()])
      .filter(([, { width, height }]) => width < 24 || height < 24)
      .map(([element]) => element.outerHTML),
  );
}
