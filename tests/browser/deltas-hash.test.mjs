// Content indexes in Chromium: of files on a disk and in the private file system, by the built worker.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFile, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

import { contentIndex } from "../fixtures/content-index.mjs";
import { sparseFile, useStack } from "./harness.mjs";
import { openPackage } from "./package-page.mjs";

const MIB = 1024 * 1024;
const HASHER = "/uploader/content-hasher.js";

const stack = useStack();

/** A page with the worker's other side in it, which no entry exports. */
async function openHasher(t) {
  const page = await openPackage(stack, t);
  const source = fileURLToPath(
    new URL("../../uploader-wasm/npm/src/deltas/content-hasher.ts", import.meta.url),
  );
  const { outputFiles } = await build({ entryPoints: [source], bundle: true, format: "esm", write: false });
  await page.route(`**${HASHER}`, (route) =>
    route.fulfill({ contentType: "text/javascript", body: outputFiles[0].text }),
  );
  await page.evaluate(async (script) => {
    const { ContentHasher } = await import(script);
    globalThis.ContentHasher = ContentHasher;
    globalThis.hasher = new ContentHasher({});
    globalThis.picked = () => document.querySelector("#own-input").files[0];
    globalThis.endOf = (index) =>
      index.then(
        ({ size }) => size,
        ({ code, message, retryable }) => ({ code, message, retryable }),
      );
    /** A file of the private file system, of so many bytes. */
    globalThis.privateFile = async (name, size) => {
      const root = await navigator.storage.getDirectory();
      const handle = await root.getFileHandle(name, { create: true });
      const out = await handle.createWritable();
      await out.write(new Uint8Array(size));
      await out.close();
      return handle;
    };
  }, HASHER);
  return page;
}

async function pickFile(page, path) {
  await page.locator("#own-input").setInputFiles(path);
}

/** A file of these bytes on the disk. */
async function fileOf(name, bytes) {
  const path = join(await mkdtemp(join(stack.folder, "d-")), name);
  await writeFile(path, bytes);
  return path;
}

test("100 MB from the disk have the index that Node computes of them, and of their next version little travels", async (t) => {
  const page = await openHasher(t);
  const old = randomBytes(100_000_000);
  const next = Buffer.concat([randomBytes(777), old]);
  const indexOf = async (name, bytes) => {
    await pickFile(page, await fileOf(name, bytes));
    const found = await page.evaluate(async () => {
      const told = [];
      const onProgress = (read) => told.push(read);
      const { packed, ...index } = await hasher.index(picked(), undefined, { onProgress });
      const cutting = hasher.cuttingOf(packed);
      return { ...index, packed: [...packed], cutting, told };
    });
    return { ...found, packed: Buffer.from(found.packed) };
  };
  const { told, cutting, ...found } = await indexOf("old.bin", old);
  const { lengths, ...expected } = await contentIndex(old);
  assert.deepEqual(found, expected, JSON.stringify(lengths));
  assert.deepEqual(cutting, { kind: "content", level: 0 });
  assert.equal(told.at(-1), old.length);

  const { packed } = await indexOf("next.bin", next);
  const segments = await page.evaluate(
    ([base, next]) => hasher.plan(new Uint8Array(base), new Uint8Array(next)),
    [[...found.packed], [...packed]],
  );
  for (const { offset, length, from } of segments) {
    const part = next.subarray(offset, offset + length);
    assert.equal(part.length, length);
    if (from !== undefined) assert.ok(part.equals(old.subarray(from, from + length)));
  }
  assert.equal(segments.at(-1).offset + segments.at(-1).length, next.length);
  assert.ok(
    segments.some(({ from }) => from !== undefined),
    "what was inserted before it leaves the rest as it was",
  );
});

test("an index rejects as soon as it is aborted, and the next one has its turn", async (t) => {
  const page = await openHasher(t);
  await pickFile(page, (await sparseFile(stack, "large.bin", 8192 * MIB)).path);
  const [early, next, told] = await page.evaluate(async () => {
    const controller = new AbortController();
    let told = 0;
    const onProgress = (read) => {
      told = read;
      controller.abort();
    };
    const early = await endOf(hasher.index(picked(), undefined, { signal: controller.signal, onProgress }));
    const next = await endOf(hasher.index(new Blob(["next"]), undefined));
    return [early, next, told];
  });
  assert.equal(early.code, "aborted");
  assert.equal(next, 4);
  assert.ok(told < 1024 * MIB, `read on for ${told} bytes`);
});

test("a file that was written since, or is gone, cannot be read", async (t) => {
  const page = await openHasher(t);
  const path = await fileOf("edited.bin", randomBytes(9 * MIB));
  await pickFile(page, path);
  await appendFile(path, "more");
  const unreadable = { code: "file_unreadable", message: "the file cannot be read", retryable: false };
  assert.deepEqual(await page.evaluate(() => endOf(hasher.index(picked()))), unreadable);
  const [written, gone, next] = await page.evaluate(async () => {
    const written = await (await privateFile("written.bin", 9_000_000)).getFile();
    await privateFile("written.bin", 9_000_001);
    const handle = await privateFile("gone.bin", 9_000_000);
    const gone = await handle.getFile();
    await handle.remove();
    return Promise.all([written, gone, new Blob(["next"])].map((file) => endOf(hasher.index(file))));
  });
  assert.deepEqual([written, gone, next], [unreadable, unreadable, 4]);
});

test("where the worker's script is not, that is told", async (t) => {
  const page = await openHasher(t);
  const ended = await page.evaluate(() => {
    const hasher = new ContentHasher({ deltaWorkerUrl: "/nowhere/delta-worker.js" });
    return endOf(hasher.index(new Blob(["content"])));
  });
  assert.equal(ended.code, "worker_failed");
  assert.match(ended.message, /^delta-worker\.js .* worker-src blob: .* deltaWorkerUrl$/);
});
