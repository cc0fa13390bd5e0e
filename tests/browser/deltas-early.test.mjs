// A new version is copied and sent while it is still read, in several parts, and nothing is begun of what may be known.

import assert from "node:assert/strict";
import { open } from "node:fs/promises";
import test, { beforeEach } from "node:test";
import {
  freed,
  indexTold,
  openDeltas,
  openUploads,
  openWithFirst,
  pathsOf,
  refuseCopies,
  uploadNext,
} from "./deltas-page.mjs";
import { until, useStack } from "./harness.mjs";

const MIB = 1024 * 1024;

/** Source: docs/api.md, "Only what changed": the least size of parts. */
const LEAST = 5 * MIB;

const stack = useStack();

beforeEach(() => stack.proxy.behave());

test("storage copies and receives parts before the file has been read to its end", async (t) => {
  const { page } = await openWithFirst(stack, t, 130);
  const reading = await holdReading(page, 120 * MIB);
  const copied = page.waitForResponse((response) => response.url().endsWith("/copies") && response.ok());
  const ended = uploadNext(stack, page, "[first.slice(0, 2 * MIB), noise(MIB), first.slice(3 * MIB)]");
  await copied;
  await until(() => stack.proxy.storedPuts.length > 0, "a part is stored");
  assert.equal((await openUploads(stack)).length, 1);
  await reading.goOn();
  const found = await ended;
  assert.ok(found.isExact, found.message);
  assert.ok(found.progress.at(-1).copied > 64 * MIB);
});

test("once storage has refused to copy, it is asked for nothing more", async (t) => {
  const { page } = await openWithFirst(stack, t, 130);
  const answer = Promise.withResolvers();
  t.after(() => answer.resolve());
  const asked = await refuseCopies(page, { then: answer.promise });
  const reading = await holdReading(page, 100 * MIB);
  const ended = uploadNext(stack, page, "[first.slice(0, 2 * MIB), noise(MIB), first.slice(3 * MIB)]");
  await page.waitForFunction(() => told.activity.at(-1)?.deltas?.copying > 0);
  answer.resolve();
  await page.waitForFunction(() => told.activity.at(-1).deltas.copying === 0);
  await reading.goOn();
  const found = await ended;
  assert.ok(found.isExact, found.message);
  assert.equal(found.progress.at(-1).copied, 0);
  assert.ok(
    asked.every(({ offset }) => offset < 100 * MIB),
    JSON.stringify(asked),
  );
});

test("what travels goes in parts of 5 to 10 MiB", async (t) => {
  const { page } = await openWithFirst(stack, t, 100);
  const found = await uploadNext(
    stack,
    page,
    "[first.slice(0, 20 * MIB), noise(40 * MIB), first.slice(60 * MIB)]",
  );
  assert.ok(found.isExact, found.message);
  const lengths = stack.proxy.storedPuts.map(({ bytes }) => bytes);
  assert.ok(
    lengths.length >= 4 && lengths.every((length) => length >= LEAST && length < 2 * LEAST),
    `parts of ${lengths} bytes`,
  );
});

test("of a known file no upload is begun, also where it is not the newest of its name", async (t) => {
  const { page, record: first } = await openWithFirst(stack, t, 40);
  const same = await uploadNext(stack, page, "[first]");
  assert.deepEqual([same.sent, same.isExact, same.record.previous], [0, true, first.fileId]);
  const told = indexTold(page);
  const other = await uploadNext(stack, page, "[first.slice(0, 35 * MIB), noise(5 * MIB)]");
  assert.ok(other.isExact && other.sent > 0);
  await told;
  const seen = pathsOf(page);
  const again = await uploadNext(stack, page, "[first]");
  assert.deepEqual([again.sent, again.isExact, again.record.previous], [0, true, other.record.fileId]);
  assert.deepEqual(
    seen.filter((path) => path.startsWith("/v1/uploads")),
    [],
  );
});

test("a file that is edited while it is read never becomes available", async (t) => {
  const page = await openDeltas(stack, t);
  const file = await stack.file("edited.bin", 130 * MIB);
  const edit = async (at, content) => {
    const disk = await open(file.path, "r+");
    await disk.write(Buffer.alloc(MIB, content), 0, MIB, at * MIB);
    await disk.close();
  };
  const upload = async () => {
    await page.locator("#own-input").setInputFiles(file.path);
    return page.evaluate(async () => {
      const [file] = document.querySelector("#own-input").files;
      const task = (await makeDeltas()).upload(file);
      const { code, version } = await task.done.catch((error) => error);
      return { code, version };
    });
  };
  const told = indexTold(page);
  assert.equal((await upload()).version, 1);
  await told;
  await edit(2, 1);
  const reading = await holdReading(page, 120 * MIB);
  const ended = upload();
  await until(async () => (await openUploads(stack)).length === 1, "an upload is begun");
  await edit(125, 2);
  await reading.goOn();
  assert.equal((await ended).code, "file_changed");
  await freed(stack);
});

test("where the worker that reads fails in the middle, the file is sent whole", async (t) => {
  const { page } = await openWithFirst(stack, t, 60);
  const reading = await holdReading(page, 55 * MIB);
  const ended = uploadNext(
    stack,
    page,
    "[first.slice(0, 2 * MIB), noise(MIB), first.slice(3 * MIB, 40 * MIB), noise(MIB), first.slice(41 * MIB)]",
  );
  await until(async () => (await openUploads(stack)).length === 1, "an upload is begun");
  await reading.fail();
  const found = await ended;
  assert.ok(found.isExact, found.message);
  assert.ok(found.sent >= 60 * MIB, `${found.sent} bytes were sent`);
  await freed(stack);
});

/** Has the worker that indexes read no further than so many bytes, as from a disk that hangs, until it may go on, or fails. */
async function holdReading(page, bytes) {
  const hold = `
    const order = new Promise((resolve) => (new BroadcastChannel("reading").onmessage = resolve));
    const fail = () => {
      throw new Error("the worker fails");
    };
    const { getReader } = ReadableStream.prototype;
    ReadableStream.prototype.getReader = function (options) {
      const reader = getReader.call(this, options);
      const read = reader.read.bind(reader);
      let at = 0;
      reader.read = async (view) => {
        if (at >= ${bytes} && (await order).data === "fail") {
          setTimeout(fail);
          await new Promise(() => {});
        }
        const result = await read(view);
        at += result.value?.length ?? 0;
        return result;
      };
      return reader;
    };
  `;
  await page.route("**/delta-worker.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: hold + (await response.text()) });
  });
  const post = (order) => page.evaluate((order) => new BroadcastChannel("reading").postMessage(order), order);
  return { goOn: () => post("go on"), fail: () => post("fail") };
}
