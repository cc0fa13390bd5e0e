// The page itself: for keyboards and screen readers, and against hostile names and scripts.

import { beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import {
  PATIENCE,
  download,
  fileRow,
  folderOf,
  loads,
  pick,
  reaches,
  sparseFile,
  uploadRow,
  until,
  useStack,
} from "./harness.mjs";

const MIB = 1024 * 1024;

const stack = useStack();

beforeEach(() => stack.proxy.behave());

test("a keyboard is enough", async (t) => {
  const page = await stack.openPage(t);
  const file = await sparseFile(stack, "typed.bin", 128 * MIB);
  // Playwright has choosers told only while somebody listens; begun and ended in turn, that can come after the key.
  page.on("filechooser", () => {});

  await tabTo(page, "#language");
  await page.keyboard.press("ArrowDown");
  await page.locator('html[lang="de"]').waitFor();
  await page.keyboard.press("ArrowUp");
  await page.locator('html[lang="en"]').waitFor();

  await tabTo(page, '[data-testid="folder-input"]');
  const [folders] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
  await folders.setFiles(await folderOf(stack, "Typed", { "a.txt": 10 }));
  await reaches(page, "a.txt", "available");
  await tabTo(page, "[data-part=fold]");
  await page.keyboard.press("Enter");
  await uploadRow(page, "a.txt").waitFor({ state: "hidden" });

  stack.proxy.shape({ total: 4 * MIB });
  await tabTo(page, '[data-testid="file-input"]', "Shift+Tab");
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Space")]);
  assert.ok(chooser.isMultiple());
  await chooser.setFiles(file.path);
  await loads(page, file.name, 1);
  await tabTo(page, '[data-testid="pause"]');
  await page.keyboard.press("Enter");
  await reaches(page, file.name, "paused");
  await page.locator('[data-testid="resume"]:focus').waitFor();
  stack.proxy.shape();
  await page.keyboard.press("Space");
  await reaches(page, file.name, "available");
  await page.locator('[data-testid="upload"]:focus-within').waitFor();

  await fileRow(page, file.name).and(page.locator('[data-status="available"]')).waitFor();
  await tabTo(page, "#file-search");
  await page.keyboard.type("typed");
  await fileRow(page, "a.txt").waitFor({ state: "detached" });
  await tabTo(page, '[data-testid="download"]');
  await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);

  await tabTo(page, "#clear-finished", "Shift+Tab");
  await page.keyboard.press("Enter");
  await uploadRow(page, file.name).waitFor({ state: "detached" });
  await page.locator("#uploads-heading:focus").waitFor();
});

test("screen readers are told how uploads end, once, and never about progress", async (t) => {
  const page = await stack.openPage(t);
  await page.evaluate(() => {
    const region = document.querySelector("#announcer");
    globalThis.announced = [];
    new MutationObserver(() => globalThis.announced.push(region.textContent)).observe(region, {
      childList: true,
    });
  });
  const files = [];
  for (let n = 1; n <= 5; n++) files.push(await stack.file(`batch ${n}.bin`, n * 3 * MIB));
  await pick(page, ...files);
  for (const { name } of files) await reaches(page, name, "available");
  const announced = await until(async () => {
    const messages = await page.evaluate(() => globalThis.announced);
    return told(messages) === files.length && messages;
  }, "all five are announced");
  assert.ok(announced.length <= 3, announced.join(" | "));
  assert.equal(await page.locator("[aria-live]").count(), 1);
});

test("screen readers find a bar with the name of its file", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("slow.bin", 32 * MIB);
  stack.proxy.shape({ total: 4 * MIB });
  await pick(page, file);
  await loads(page, file.name, 4 * MIB);
  const bar = uploadRow(page, file.name).getByRole("progressbar", { name: file.name });
  assert.ok((await bar.evaluate((progress) => progress.position)) >= 1 / 8);
});

test("files dropped anywhere on the page are taken, and the page stays", async (t) => {
  const page = await stack.openPage(t);
  const dropped = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File(["dropped"], "dropped.txt"));
    return data;
  });
  await page.dispatchEvent("h1", "dragover", { dataTransfer: dropped });
  await page.locator("#drop.over").waitFor();
  await page.dispatchEvent("h1", "drop", { dataTransfer: dropped });
  await reaches(page, "dropped.txt", "available");
  assert.equal((await download(page, "dropped.txt")).name, "dropped.txt");
  assert.equal(await page.locator("#drop.over").count(), 0);
});

test("the page runs under a policy without inline scripts, and sets it", async (t) => {
  const page = await stack.openPage(t);
  const response = await page.request.get(page.url());
  const policy = response.headers()["content-security-policy"];
  assert.match(policy, /script-src 'self' 'wasm-unsafe-eval';/);
  assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval'?[^;]*'unsafe-eval'/);
  assert.equal(response.headers()["x-content-type-options"], "nosniff");
  assert.equal(response.headers()["referrer-policy"], "no-referrer");
  assert.match(response.headers()["strict-transport-security"], /^max-age=\d{8}$/);
  assert.equal(await page.locator("script:not([src]), style, [style]").count(), 0);
});

test("names that play tricks are shown harmlessly", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("photo\u202egpj.exe", 10);
  await pick(page, file);
  await reaches(page, file.name, "available");
  assert.equal(
    await uploadRow(page, file.name).locator("[data-part=name]").textContent(),
    "photo\ufffdgpj.exe",
  );
});

test("a workspace that cannot be entered is explained, with a way to try again", async (t) => {
  const context = await stack.browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto(`${stack.url}/?workspace=${encodeURIComponent("no such/name!")}`);
  await page.getByText("(unauthenticated)").waitFor();
  await page.getByRole("button", { name: "Try again" }).waitFor();
});

test("reduced motion is respected", async (t) => {
  const page = await stack.openPage(t, { reducedMotion: "reduce" });
  const durations = await page.evaluate(() =>
    [...document.querySelectorAll("*")].map((element) => getComputedStyle(element).transitionDuration),
  );
  assert.ok(durations.every((duration) => /^0s(, 0s)*$/.test(duration)));
});

/** Presses the key until the element of that selector has the focus. */
async function tabTo(page, selector, key = "Tab") {
  for (let steps = 0; steps < 40; steps++) {
    await page.keyboard.press(key);
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
  }
  assert.fail(`${key} never reaches ${selector}`);
}

/** How many uploads these announcements tell of. */
function told(messages) {
  return messages
    .map((message) => {
      const many = /(\d+) uploads finished/.exec(message);
      return many ? Number(many[1]) : message.split("uploaded.").length - 1;
    })
    .reduce((sum, count) => sum + count, 0);
}
