// Many uploads at a time: counted, steered and shown together, and a page that stays at hand.

import { beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { fileRow, folderOf, loads, pick, reaches, uploadRow, until, useStack } from "./harness.mjs";

const MIB = 1024 * 1024;

const stack = useStack();
beforeEach(() => stack.proxy.behave());

test("a thousand files are shown, steered and folded away while the page stays at hand", async (t) => {
  const page = await stack.openPage(t, { watched: false });
  await page.evaluate(() => {
    globalThis.longest = 0;
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries())
        globalThis.longest = Math.max(globalThis.longest, duration);
    }).observe({ entryTypes: ["longtask"] });
  });
  let release;
  const released = new Promise((resolve) => (release = resolve));
  t.after(() => release());
  stack.proxy.interfere(() => ({ kind: "hold", until: released }));
  const paths = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`${n % 10}/file ${n}.txt`, 100]));
  await page.getByTestId("folder-input").setInputFiles(await folderOf(stack, "Thousand", paths));
  const batch = page.getByTestId("batch");
  await batch.getByText("0 of 1,000 uploaded").waitFor();
  const rows = page.getByTestId("upload");
  assert.equal(await rows.count(), 1000);
  const drawn = await rows.evaluateAll(
    (all) =>
      all.filter((row) => row.firstElementChild.checkVisibility({ contentVisibilityAuto: true })).length,
  );
  assert.ok(drawn > 0 && drawn < 200, `${drawn} rows are drawn, in sight or not`);

  await batch.getByTestId("pause-batch").click();
  const paused = page.locator('[data-testid="upload"][data-state="paused"]');
  await until(async () => (await paused.count()) === 1000, "all are paused");
  await page.locator("#resume-all").waitFor();
  const longest = await page.evaluate(() => globalThis.longest);
  t.diagnostic(`longest task ${Math.round(longest)} ms`);
  assert.ok(longest < LONGEST_TASK_MS, `the page stood still for ${longest} ms`);

  await batch.locator("[data-part=fold]").click();
  assert.equal(await uploadRow(page, "file 0.txt").isVisible(), false);
});

/** Far above what it takes, even on a busy machine, and far below what it would if a row cost more with each other one. */
const LONGEST_TASK_MS = 5000;

test("all uploads pause and go on together, and the keyboard stays where it is", async (t) => {
  const page = await stack.openPage(t);
  const files = [];
  for (const name of ["a.bin", "b.bin", "c.bin"]) files.push(await stack.file(name, 24 * MIB));
  stack.proxy.shape({ total: 4 * MIB });
  await pick(page, ...files);
  await loads(page, "a.bin", 1);

  await page.locator("#pause-all").press("Enter");
  for (const { name } of files) await reaches(page, name, "paused");
  await page.locator("#resume-all:focus").waitFor();
  await until(() => stack.proxy.open === 0, "nothing is sent any more");
  stack.proxy.shape();
  await page.keyboard.press("Enter");
  for (const { name } of files) await reaches(page, name, "available");
});

test("a batch is steered by itself", async (t) => {
  const page = await stack.openPage(t);
  stack.proxy.shape({ total: 4 * MIB });
  const other = await stack.file("other.bin", 32 * MIB);
  await pick(page, other);
  await page
    .getByTestId("folder-input")
    .setInputFiles(await folderOf(stack, "Batch", { "one.bin": 24 * MIB, "two.bin": 24 * MIB }));
  const batch = page.getByTestId("batch");
  await batch.getByTestId("pause-batch").click();
  for (const name of ["one.bin", "two.bin"]) await reaches(page, name, "paused");
  assert.notEqual(await uploadRow(page, other.name).getAttribute("data-state"), "paused");
  await batch.getByTestId("resume-batch").click();
  await uploadRow(page, "one.bin").and(page.locator(":not([data-state=paused])")).waitFor();
  await batch.getByTestId("abort-batch").click();
  for (const name of ["one.bin", "two.bin"]) await reaches(page, name, "aborted");
  stack.proxy.shape();
  await reaches(page, other.name, "available");
});

test("what failed in a batch is tried again with one button", async (t) => {
  const page = await stack.openPage(t);
  stack.proxy.interfere(({ method }) =>
    method === "PUT" || method === "POST"
      ? { kind: "answer", status: 400, code: "InvalidRequest" }
      : undefined,
  );
  const folder = await folderOf(stack, "Mixed", { "one.txt": 10, "two.txt": 10 });
  await page.getByTestId("folder-input").setInputFiles(folder);
  const batch = page.getByTestId("batch");
  await batch.getByText("0 of 2 uploaded").waitFor();
  await batch.getByText("2 failed").waitFor();
  stack.proxy.behave();
  await batch.getByTestId("retry-batch").click();
  await batch.getByText("2 of 2 uploaded").waitFor();
  await fileRow(page, "two.txt").and(page.locator('[data-status="available"]')).waitFor();
});

test("cleared uploads leave nothing behind", async (t) => {
  const page = await stack.openPage(t);
  const folder = await folderOf(stack, "Done", { "one.txt": 10, "two.txt": 10 });
  await page.getByTestId("folder-input").setInputFiles(folder);
  const batch = page.getByTestId("batch");
  await batch.getByText("2 of 2 uploaded").waitFor();
  await page.getByRole("button", { name: "Clear finished" }).click();
  await batch.waitFor({ state: "detached" });
  await page.getByText("No uploads yet.").waitFor();
  await page.locator("#uploads-heading:focus").waitFor();
});
