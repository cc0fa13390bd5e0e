// Streams: what has no size yet is kept in the private file system as it comes.

import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { until, useStack } from "./harness.mjs";
import { openStreams, reopenStreams } from "./streams-page.mjs";

const MIB = 1024 * 1024;

const stack = useStack();

beforeEach(() => stack.proxy.behave());

test("a stream of unknown length arrives as it was, and nothing is left of it", async (t) => {
  const page = await openStreams(stack, t);
  const [record, expected, stored, left, told] = await page.evaluate(async () => {
    const uploader = await makeUploader();
    const bytes = noise(12 * 1024 * 1024 + 7);
    let at = 0;
    const stream = new ReadableStream({
      pull(controller) {
        const piece = bytes.slice(at, at + 1_000_003);
        at += piece.length;
        // Whatever kinds of pieces there are.
        controller.enqueue(at % 2 ? piece : new Blob([piece]));
        if (at === bytes.length) controller.close();
      },
    });
    const upload = streams.uploadStream(uploader, stream, {
      name: "ü.bin",
      path: "live",
      metadata: { camera: "b" },
    });
    let told = 0;
    upload.addEventListener("spooled", ({ detail }) => (told = detail.bytes));
    const record = await upload.done;
    const stored = await contentHash(record.fileId);
    await uploader.close();
    return [record, await hashOf(bytes), stored, await kept(), told];
  });
  assert.equal(record.size, 12 * MIB + 7);
  assert.deepEqual([record.path, record.metadata, told], ["live", { camera: "b" }, record.size]);
  assert.equal(stored, expected);
  assert.equal(left, 0);
});

test("of a page that goes all is kept but the last seconds", async (t) => {
  const page = await openStreams(stack, t);
  await page.evaluate(async () => {
    const uploader = await makeUploader();
    const stream = new ReadableStream({
      async pull(controller) {
        await pause(100);
        controller.enqueue(noise(65536));
      },
    });
    globalThis.live = streams.uploadStream(uploader, stream, { name: "live.bin", path: "camera" });
  });
  await until(() => page.evaluate(() => live.bytes >= 20 * 65536), "two seconds are kept");
  const bytes = await page.evaluate(() => live.bytes);
  // Its worker ends where it is: nobody closes the file.
  await reopenStreams(page);
  const [[found, ...others], record, left] = await page.evaluate(async () => {
    const found = await interrupted();
    const uploader = await makeUploader();
    const record = await (await found[0].upload(uploader)).done;
    await uploader.close();
    return [found.map(({ name, size }) => ({ name, size })), record, await streams.interruptedStreams()];
  });
  assert.deepEqual(others, []);
  assert.equal(found.name, "live.bin");
  assert.ok(found.size >= bytes, `${found.size} of ${bytes}`);
  assert.deepEqual([record.size, record.name, left], [found.size, "live.bin", []]);
  assert.equal(record.path, "camera");
});

test("a recorder is asked for what it has, and its file begins when it stops", async (t) => {
  const page = await openStreams(stack, t);
  const [record, told] = await page.evaluate(async () => {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    const paint = setInterval(() => context.fillRect(Math.random() * 99, 0, 9, 9), 20);
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: "video/webm" });
    const uploader = await makeUploader();
    const upload = streams.uploadStream(uploader, recorder, { name: "me.webm" });
    const told = [];
    upload.addEventListener("spooled", ({ detail }) => told.push(detail.bytes));
    await pause(3500);
    const before = told.length;
    recorder.stop();
    const record = await upload.done;
    clearInterval(paint);
    await uploader.close();
    return [record, before];
  });
  assert.ok(told >= 2, "it is kept while it is recorded");
  assert.ok(record.size > 100);
  assert.equal(record.contentType, "video/webm");
});

test("an abort ends the stream, and removes what was kept", async (t) => {
  const page = await openStreams(stack, t);
  const [code, isCancelled, left] = await page.evaluate(async () => {
    const uploader = await makeUploader();
    let isCancelled = false;
    const stream = new ReadableStream({
      async pull(controller) {
        await pause(20);
        controller.enqueue(noise(1000));
      },
      cancel: () => void (isCancelled = true),
    });
    const upload = streams.uploadStream(uploader, stream, { name: "live.bin" });
    await pause(500);
    await upload.abort();
    const { code } = await upload.done.catch((error) => error);
    return [code, isCancelled, await kept()];
  });
  assert.deepEqual([code, isCancelled, left], ["aborted", true, 0]);
});

test("where there is no private file system, or no room in it, the error says so", async (t) => {
  const page = await openStreams(stack, t);
  // A disk that is full, as the worker sees it.
  const spool = await (await fetch(`${stack.url}/uploader/spool.js`)).text();
  const full = `FileSystemSyncAccessHandle.prototype.write = () => {
    throw new DOMException("no room", "QuotaExceededError");
  };`;
  const script = { contentType: "text/javascript", body: full + spool };
  await page.route("**/uploader/spool.js", (route) => route.fulfill(script));
  const told = await page.evaluate(async () => {
    const uploader = await makeUploader();
    const stream = new Blob([noise(100_000)]).stream();
    const upload = streams.uploadStream(uploader, stream, { name: "live.bin" });
    const { code, message } = await upload.done.catch((error) => error);
    return { code, message };
  });
  assert.deepEqual(told, {
    code: "file_unreadable",
    message: "no room to keep the stream in: the browser's quota is used up",
  });
  const missing = await page.evaluate(async () => {
    navigator.storage.getDirectory = () => Promise.reject(new DOMException("no", "SecurityError"));
    const uploader = await makeUploader();
    const upload = streams.uploadStream(uploader, new ReadableStream(), { name: "live.bin" });
    return (await upload.done.catch((error) => error)).code;
  });
  assert.equal(missing, "unsupported");
});
