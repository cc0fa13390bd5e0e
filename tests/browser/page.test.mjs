// The page itself: for keyboards, screen readers, small and large screens, light and dark, many files, hostile names.

import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { createRequire } from "node:module";
import { before, beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import {
  ARTIFACTS,
  download,
  fileRow,
  loads,
  pick,
  reaches,
  uploadRow,
  until,
  useStack,
} from "./harness.mjs";

const MIB = 1024 * 1024;

const stack = useStack();
let axe;

before(async () => {
  await mkdir(ARTIFACTS, { recursive: true });
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
});
beforeEach(() => stack.proxy.behave());

const SCREENS = [
  { name: "phone", width: 360, height: 740 },
  { name: "desktop", width: 1280, height: 900 },
];

test("light or dark, on a phone or wide, everything is readable, in reach and accessible", async (t) => {
  const page = await stack.openPage(t, { locale: "en-US" });
  await look(t, page, "empty");
  await showEveryState(page);
  await look(t, page, "busy");
});

async function look(t, page, what) {
  for (const { name, ...size } of SCREENS) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" }); // axe must not meet colours in transition
      await page.screenshot({ path: join(ARTIFACTS, `${what}-${name}-${colorScheme}.png`), fullPage: true });
      await t.test(`${what}, ${name}, ${colorScheme}`, async () => {
        assert.deepEqual(await violations(page), []);
        const [content, window] = await page.evaluate(() => {
          const { scrollWidth, clientWidth } = document.documentElement;
          return [scrollWidth, clientWidth];
        });
        assert.ok(content <= window, `${content} px wide in a window of ${window} px`);
      });
    }
  }
}

test("a keyboard is enough", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("typed.bin", 64 * MIB);
  stack.proxy.shape({ total: 4 * MIB });

  await tabTo(page, '[data-testid="file-input"]');
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

  const bar = uploadRow(page, "batch 1.bin").getByRole("progressbar", { name: "batch 1.bin" });
  assert.equal(await bar.evaluate((progress) => progress.position), 1);
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

/** Brings uploads into as many states as there are, all by real means. */
async function showEveryState(page) {
  for (const [name, size] of [
    ["تقرير المبيعات السنوي.xlsx", 48_213],
    [`${"a-very-long-name-".repeat(14)}end.tar.gz`, 2_345_678],
    ["empty.txt", 0],
  ]) {
    await pick(page, await stack.file(name, size));
    await reaches(page, name, "available");
  }

  const moved = await stack.file("moved away.iso", 400 * MIB);
  stack.proxy.shape({ total: 24 * MIB });
  await pick(page, moved);
  await loads(page, moved.name, 1);
  await rm(moved.path);
  await reaches(page, moved.name, "failed");

  for (const [name, size, end, state] of [
    ["wrong folder.zip", 64 * MIB, "abort", "aborted"],
    ["Отчёт за октябрь 2026 (окончательный, исправленный).pdf", 80 * MIB, "pause", "paused"],
  ]) {
    await pick(page, await stack.file(name, size));
    await loads(page, name, size / 5);
    await uploadRow(page, name).getByTestId(end).click();
    await reaches(page, name, state);
  }

  const moving = await stack.file("Summer at the lake, director's cut.mov", 400 * MIB);
  await pick(page, moving);
  await loads(page, moving.name, 24 * MIB);
  // A file that the system's buffers swallow whole would show no speed until parts of it are stored.
  await uploadRow(page, moving.name).getByText("/s").waitFor();
  stack.proxy.shape({ total: MIB });
}

/** What axe finds against WCAG 2.2 AA and good practice, one line each. */
async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => (await globalThis.axe.run(document)).violations);
  return found.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}

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
