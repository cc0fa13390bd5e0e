// Recordings on the demo site: under way, discarded, and kept by a page that is gone.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { launchChromium } from "../../stack/chromium.mjs";
import { fileRow, offeredStreams, until, useStack } from "./harness.mjs";

const stack = useStack({ launch: () => launchChromium({ args: ["--use-fake-device-for-media-stream"] }) });

beforeEach(() => stack.proxy.behave());

const withCamera = { permissions: ["camera", "microphone"] };

test("a recording is kept as it goes on, and is a file of the workspace once it has ended", async (t) => {
  const page = await stack.openPage(t, withCamera);
  const row = await record(page);
  const name = await row.getAttribute("data-name");
  assert.match(name, /^recording-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.webm$/);
  assert.equal(await row.locator("[data-part=state]").textContent(), "Recording");
  await row.getByTestId("stop").click();
  await row.and(page.locator('[data-state="available"]')).waitFor();
  await fileRow(page, name).and(page.locator('[data-status="available"]')).waitFor();
  assert.equal(
    await row
      .locator(":focus")
      .or(row.and(page.locator(":focus")))
      .count(),
    1,
    "the focus stays",
  );
  await row.getByTestId("remove-recording").click();
  await page.locator("#recordings").waitFor({ state: "hidden" });
  assert.equal(await filesKept(page), 0);
});

test("a recording that is discarded leaves nothing behind", async (t) => {
  const page = await stack.openPage(t, withCamera);
  const row = await record(page);
  const name = await row.getAttribute("data-name");
  await row.getByTestId("discard-recording").click();
  await row.and(page.locator('[data-state="aborted"]')).waitFor();
  await until(async () => (await filesKept(page)) === 0, "nothing is kept");
  const left = fileRow(page, name).and(page.locator('[data-status="available"]'));
  assert.equal(await left.count(), 0);
});

test("what a page that is gone had kept is offered, and uploaded", async (t) => {
  const page = await stack.openPage(t, withCamera);
  const name = await (await record(page)).getAttribute("data-name");
  const next = await pageAfter(page);
  const offered = await offeredStreams(next);
  assert.equal(await offered.getAttribute("data-name"), name);
  await offered.getByTestId("continue").click();
  await recordingRow(next).and(next.locator('[data-state="available"]')).waitFor();
  await offered.waitFor({ state: "detached" });
  await fileRow(next, name).and(next.locator('[data-status="available"]')).waitFor();
  assert.equal(await filesKept(next), 0);
});

test("what a page that is gone had kept is discarded", async (t) => {
  const page = await stack.openPage(t, withCamera);
  await record(page);
  const next = await pageAfter(page);
  await (await offeredStreams(next)).getByTestId("discard").click();
  await next.locator("#kept-streams").waitFor({ state: "hidden" });
  assert.equal(await filesKept(next), 0);
});

test("where the browser gives no picture, the page says so", async (t) => {
  const page = await stack.openPage(t);
  await page.locator("#record-camera").click();
  await page.locator("#record-notice").getByText("the browser gave no picture").waitFor();
  assert.equal(await recordingRow(page).count(), 0);
});

test("where the browser cannot record, nothing offers it", async (t) => {
  const context = await stack.browser.newContext();
  t.after(() => context.close());
  await context.addInitScript(() => delete globalThis.MediaRecorder);
  const page = await context.newPage();
  await page.goto(`${stack.url}/?workspace=${stack.workspace()}`);
  await page.locator('#files[aria-busy="false"]').waitFor();
  assert.equal(await page.locator("#record-camera, #record-screen").filter({ visible: true }).count(), 0);
});

/** Records the camera until something is kept; gives the row. */
async function record(page) {
  await page.locator("#record-camera").click();
  const row = recordingRow(page);
  await row.waitFor();
  await until(
    async () => /[1-9]/.test(await row.locator("[data-part=kept]").textContent()),
    "bytes are kept",
  );
  return row;
}

/** Another page of the browser, after this one has gone in the middle. */
async function pageAfter(page) {
  const next = await page.context().newPage();
  await page.close();
  await next.goto(`${stack.url}/?workspace=${page.workspace}`);
  return next;
}

function recordingRow(page) {
  return page.getByTestId("recording");
}

/** How many streams the browser's private file system holds. */
function filesKept(page) {
  return page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle("syncsphere-uploader");
    let count = 0;
    for await (const _ of folder.keys()) count += 1;
    return count;
  });
}
