// Several tabs of one browser: each upload has one owner, and the others see how far it is.

import assert from "node:assert/strict";
import test from "node:test";
import { loads, pick, reaches, until, uploadRow, useStack } from "./harness.mjs";
import { equip, openPackage } from "./package-page.mjs";

const MIB = 1024 * 1024;

const stack = useStack();

test("an upload that one tab is busy with is not offered to another", async (t) => {
  const page = await openPackage(stack, t);
  const other = await page.context().newPage();
  await other.goto(page.url());
  await equip(other);
  stack.proxy.shape({ total: 4 * MIB });
  await page.evaluate(async () => {
    globalThis.busy = await makeUploader();
    const task = busy.upload(new File([new Uint8Array(40 * 1024 * 1024)], "busy.bin"));
    await loads(task, 20 * 1024 * 1024);
  });
  const offered = () =>
    other.evaluate(async () => {
      const uploader = await makeUploader();
      const left = await uploader.interrupted();
      await uploader.close();
      return left.map(({ name }) => name);
    });
  assert.deepEqual(await offered(), []);

  await page.evaluate(() => busy.close());
  assert.deepEqual(await offered(), ["busy.bin"]);
  stack.proxy.shape();
});

test("the page shows what another tab is busy with, and offers it once that tab is gone", async (t) => {
  const page = await stack.openPage(t);
  const other = await page.context().newPage();
  await other.goto(page.url());
  t.after(() => stack.proxy.shape());
  stack.proxy.shape({ total: 24 * MIB });
  // So large that the system's buffers cannot swallow them: then there is a speed to be seen.
  const files = [await stack.file("first.bin", 200 * MIB), await stack.file("second.bin", 200 * MIB)];
  await page.getByTestId("file-input").setInputFiles(files.map(({ path }) => path));
  const shown = other.getByTestId("elsewhere").filter({ hasText: "first.bin" });
  await shown.waitFor();
  const loaded = () => shown.locator("progress").evaluate((bar) => bar.value);
  await until(async () => (await loaded()) > MIB, "its bar moves");
  const all = page.locator("#upload-total");
  await until(
    async () => (await all.evaluate((bar) => bar.value / bar.max)) > 0.02,
    "all uploads have a bar of their own",
  );
  const summary = () => page.locator("#upload-summary").textContent();
  const wanted = /^0 of 2 uploaded · \d+% · .+ left$/;
  await until(async () => wanted.test(await summary()), "percentage and time left of all are told");
  const speed = () => page.locator("#speed-now").textContent();
  await until(async () => /^[\d.]+ [kM]B\/s$/.test(await speed()), "and their speed");

  await page.close();
  const offered = other.getByTestId("interrupted").filter({ hasText: "first.bin" });
  await offered.waitFor();
  await until(async () => (await other.getByTestId("elsewhere").count()) === 0, "no tab is busy any more");
  await offered.getByTestId("discard").click();
  await offered.waitFor({ state: "detached" });
  const left = await other.evaluate(async () => (await uploader.interrupted()).map(({ name }) => name));
  assert.ok(!left.includes("first.bin"), left);
  await other.close();
});

test("a person who leaves the page and comes back finds uploads that went on, and steers them", async (t) => {
  const page = await stack.openPage(t, { shared: true });
  t.after(() => stack.proxy.behave());
  const letGo = holdAfter(2);
  const files = [await stack.file("goes on.bin", 40 * MIB), await stack.file("given up.bin", 40 * MIB)];
  await pick(page, ...files);
  for (const { name } of files) await loads(page, name, 1);
  const address = page.url();
  await page.goto(`${stack.url}/icon.svg`);
  await page.goto(address);

  const row = uploadRow(page, "goes on.bin");
  await reaches(page, "goes on.bin", "uploading");
  await row.getByTestId("pause").click();
  await reaches(page, "goes on.bin", "paused");
  await uploadRow(page, "given up.bin").getByTestId("abort").click();
  await reaches(page, "given up.bin", "aborted");
  assert.equal(await page.getByTestId("interrupted").count(), 0, "nothing was interrupted");
  letGo();
  await row.getByTestId("resume").click();
  await reaches(page, "goes on.bin", "available");
});

test("each of two tabs steers the uploads of both, once for each file", async (t) => {
  const page = await stack.openPage(t, { shared: true });
  t.after(() => stack.proxy.behave());
  const letGo = holdAfter(2);
  await pick(page, await stack.file("of both.bin", 40 * MIB));
  await loads(page, "of both.bin", 1);
  const other = await page.context().newPage();
  await other.goto(page.url());
  await uploadRow(other, "of both.bin").getByTestId("pause").click();
  await reaches(page, "of both.bin", "paused");
  for (const tab of [page, other]) assert.equal(await uploadRow(tab, "of both.bin").count(), 1);
  assert.equal(await other.getByTestId("elsewhere").count(), 0, "it is not another tab's besides");
  assert.equal(await other.locator("li[data-testid=other-devices]").count(), 0, "nor another device's");

  await page.close();
  letGo();
  await uploadRow(other, "of both.bin").getByTestId("resume").click();
  await reaches(other, "of both.bin", "available");
});

/** Holds all parts but the first ones of each file until the returned function is called. */
function holdAfter(parts) {
  let letGo;
  const until = new Promise((resolve) => (letGo = resolve));
  stack.proxy.interfere(({ partNumber }) => (partNumber > parts ? { kind: "hold", until } : undefined));
  return letGo;
}

test("another tab sees an upload move, and goes on with it once its own tab is gone", async (t) => {
  const page = await openPackage(stack, t);
  const other = await page.context().newPage();
  await other.goto(page.url());
  await equip(other);
  stack.proxy.shape({ total: 8 * MIB });
  await other.evaluate(async () => {
    globalThis.told = [];
    globalThis.uploader = await makeUploader();
    uploader.addEventListener("elsewhere", ({ detail }) => told.push(detail));
  });
  const sha256 = await page.evaluate(async () => {
    const { handle, sha256 } = await storedFile("shared.bin");
    const uploader = await makeUploader({ concurrency: 2 });
    globalThis.task = uploader.upload(handle);
    await loads(task, 12 * 1024 * 1024);
    return sha256;
  });
  const moving = await until(async () => {
    const told = await other.evaluate(() => told.flat());
    return new Set(told.map(({ progress }) => progress.loaded)).size >= 4 && told;
  }, "the other tab has seen four amounts");
  const [{ uploadId }] = moving;
  for (const [i, { name, state, progress, ...rest }] of moving.entries()) {
    assert.deepEqual(rest, { uploadId });
    assert.equal(name, "shared.bin");
    assert.equal(progress.total, 40 * MIB);
    assert.ok(i === 0 || progress.loaded >= moving[i - 1].progress.loaded);
    assert.ok(["uploading", "paused"].includes(state), state);
  }
  assert.ok(moving.at(-1).progress.rate > MIB, "with its speed");

  const state = () => other.evaluate(() => uploader.elsewhere[0]?.state);
  await page.evaluate(() => task.pause());
  await until(async () => (await state()) === "paused", "the pause is seen");
  await page.evaluate(() => task.resume());
  await until(async () => (await state()) === "uploading", "and its end");

  const refused = await other.evaluate(
    (uploadId) => uploader.continue(uploadId).catch((error) => error.code),
    uploadId,
  );
  assert.equal(refused, "not_interrupted");

  await page.close();
  await until(() => other.evaluate(() => uploader.elsewhere.length === 0), "nobody is busy with it");
  await until(() => stack.proxy.open === 0, "its requests have ended");
  const stored = partsStored();
  assert.ok(stored.length >= 1 && stored.length < 8, `parts ${stored} were stored before`);
  stack.proxy.shape();
  const after = await other.evaluate(async (uploadId) => {
    const left = await uploader.interrupted();
    const { fileId, status } = await (await uploader.continue(uploadId)).done;
    return {
      left: left.map(({ uploadId, needsFile }) => [uploadId, needsFile]),
      status,
      sha256: await contentHash(fileId),
    };
  }, uploadId);
  assert.deepEqual(after, { left: [[uploadId, false]], status: "available", sha256 });
  const sent = partsStored();
  assert.equal(new Set(sent).size, sent.length, `no tab sent what the other had: ${sent}`);
  // Of the two in flight when the tab was closed storage may have taken one without anybody's hearing of it.
  assert.ok(sent.length >= 6, `parts ${sent} of eight were sent`);
});

/** The numbers of the parts of the shared file that storage has taken. */
function partsStored() {
  const stored = stack.proxy.storedPuts.filter(({ key }) => key.endsWith("shared.bin"));
  return stored.map(({ partNumber }) => partNumber);
}
