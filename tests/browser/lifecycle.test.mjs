// What browsers do to tabs: freeze them, and lose them.

import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until, useStack } from "./harness.mjs";
import { equip, openPackage } from "./package-page.mjs";

const MIB = 1024 * 1024;

const stack = useStack();

beforeEach(() => stack.proxy.behave());

test("a tab that the browser freezes goes on with its uploads once it is looked at again", async (t) => {
  const page = await openPackage(stack, t);
  stack.proxy.shape({ total: 5 * MIB });
  const sha256 = await startFromHandle(page, "frozen.bin");
  const browser = await page.context().newCDPSession(page);
  await browser.send("Page.setWebLifecycleState", { state: "frozen" });
  await until(async () => {
    const before = stack.proxy.bytesReceived;
    await delay(1500);
    return stack.proxy.bytesReceived === before;
  }, "nothing is sent any more");
  await delay(2000);
  await browser.send("Page.setWebLifecycleState", { state: "active" });
  const { status, fileId } = await page.evaluate(() => task.done);
  assert.equal(status, "available");
  assert.equal(await page.evaluate((id) => contentHash(id), fileId), sha256);
});

test("what a tab that crashed was uploading is continued by the next one, and only its open parts are sent again", async (t) => {
  const page = await openPackage(stack, t);
  const address = page.url();
  stack.proxy.shape({ total: 5 * MIB });
  const sha256 = await startFromHandle(page, "crashed.bin");
  await until(() => stack.proxy.storedPuts.length >= 3, "three parts are stored");
  const browser = await page.context().newCDPSession(page);
  const crashed = new Promise((resolve) => page.once("crash", resolve));
  browser.send("Page.crash").catch(() => {}); // the answer is lost with the tab
  await crashed;
  stack.proxy.shape();

  const next = await page.context().newPage();
  await next.goto(address);
  await equip(next);
  const upload = await until(
    () =>
      next.evaluate(async () => {
        globalThis.uploader ??= await makeUploader();
        return (await uploader.interrupted()).find(({ name }) => name === "crashed.bin");
      }),
    "the upload is offered",
  );
  assert.equal(upload.needsFile, false);
  assert.ok(upload.loaded >= 5 * MIB, `${upload.loaded} bytes were stored`);
  const { status, fileId } = await next.evaluate(async (uploadId) => {
    const task = await uploader.continue(uploadId);
    return await task.done;
  }, upload.uploadId);
  assert.equal(status, "available");
  assert.equal(await next.evaluate((id) => contentHash(id), fileId), sha256);
  // Two were in flight, and what became of a third may not have been written down.
  assert.ok(
    stack.proxy.storedPuts.length <= 8 + 3,
    `${stack.proxy.storedPuts.length} parts for a file of eight`,
  );
});

test("an interrupted upload that nobody wants any more is discarded, and its storage freed", async (t) => {
  const page = await openPackage(stack, t);
  stack.proxy.shape({ total: 5 * MIB });
  await startFromHandle(page, "unwanted.bin");
  const outcome = await page.evaluate(async () => {
    const busy = await makeUploader();
    const [{ uploadId }] = await until(() => busy.elsewhere.length > 0 && busy.elsewhere);
    const code = (error) => error.code;
    const while_busy = await busy.discard(uploadId).catch(code);
    await uploader.close();
    // The browser lets go of a worker's locks a moment after its end.
    const offered = await until(async () => {
      const found = await busy.interrupted();
      return found.length > 0 && found;
    });
    await busy.discard(uploadId);
    const twice = await busy.discard(uploadId).catch(code);
    const left = await busy.interrupted();
    const headers = { authorization: `Bearer ${await guestToken()}` };
    const status = async () => (await (await fetch(`/v1/uploads/${uploadId}`, { headers })).json()).status;
    await until(async () => (await status()) === "aborted");
    await busy.close();
    return { while_busy, offered: offered.map(({ uploadId: id }) => id === uploadId), twice, left };

    async function until(reached) {
      for (;;) {
        const value = await reached();
        if (value) return value;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  });
  assert.deepEqual(outcome, {
    while_busy: "not_interrupted",
    offered: [true],
    twice: "not_interrupted",
    left: [],
  });
});

/** Uploads a file of eight parts from a stored handle and waits until two of them are sent; gives its SHA-256. */
function startFromHandle(page, name) {
  return page.evaluate(async (name) => {
    const { handle, sha256 } = await storedFile(name);
    globalThis.uploader = await makeUploader({ concurrency: 2 });
    globalThis.task = uploader.upload(handle);
    await loads(task, 12 * 1024 * 1024);
    return sha256;
  }, name);
}
