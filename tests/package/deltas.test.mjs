// The worker that indexes files and the page's side of it, in a thread of Node: what they say of bytes is what these tests
// compute of them by other code.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker as Thread } from "node:worker_threads";
import { build } from "esbuild";

import { checksumOf, contentIndex } from "../fixtures/content-index.mjs";

const MIB = 1024 * 1024;
const PACKAGE = fileURLToPath(new URL("../../uploader-wasm/npm", import.meta.url));
const WORKER = pathToFileURL(join(PACKAGE, "dist/delta-worker.js")).href;

/** A thread as browsers have them. */
class Worker {
  /** Of files that are posted: the size that each `claims` to have, and whether its reading `hangs`. */
  static faults;
  #thread;

  constructor(url) {
    assert.equal(new URL(url).pathname.split("/").at(-1), "delta-worker.js");
    const script = `
      import { parentPort } from "node:worker_threads";
      globalThis.onmessage = null;
      globalThis.postMessage = (message) => parentPort.postMessage(message);
      await import(${JSON.stringify(WORKER)});
      parentPort.on("message", (data) => {
        const { claims, hangs } = data.faults ?? {};
        if (claims) Object.defineProperty(data.file, "size", { value: claims });
        if (hangs) data.file.slice = () => ({ size: 1, stream: () => new ReadableStream({ type: "bytes" }) });
        onmessage({ data });
      });`;
    this.#thread = new Thread(new URL(`data:text/javascript,${encodeURIComponent(script)}`));
    this.#thread.on("message", (data) => this.onmessage({ data }));
    this.#thread.on("error", (error) => this.onerror?.(Object.assign(error, { preventDefault() {} })));
  }

  postMessage(message) {
    this.#thread.postMessage(message.file ? { ...message, faults: Worker.faults } : message);
  }

  terminate() {
    this.#thread.terminate();
  }
}

let folder, hasher;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "syncsphere-deltas-"));
  const outfile = join(folder, "content-hasher.mjs");
  await build({
    entryPoints: [join(PACKAGE, "src/deltas/content-hasher.ts")],
    bundle: true,
    format: "esm",
    outfile,
  });
  globalThis.Worker = Worker;
  globalThis.location = { href: "file:///", origin: "null" };
  const { ContentHasher } = await import(pathToFileURL(outfile).href);
  hasher = new ContentHasher({});
});
after(async () => {
  hasher?.end();
  await rm(folder, { recursive: true, force: true });
});

test("the index of a file is the documented one, by content and on a grid, at any level", async () => {
  const bytes = randomBytes(61 * MIB + 7);
  for (const [length, cutting] of [
    [0],
    [1],
    [5 * MIB],
    [bytes.length],
    [bytes.length, { kind: "content", level: 1 }],
    [bytes.length, { kind: "grid", level: 0 }],
    [48 * MIB, { kind: "grid", level: 1 }],
  ]) {
    const content = bytes.subarray(0, length);
    const told = [];
    const found = await hasher.index(new Blob([content]), cutting, { onProgress: (read) => told.push(read) });
    const { lengths, ...expected } = await contentIndex(content, cutting);
    assert.deepEqual({ ...found, packed: Buffer.from(found.packed) }, expected, JSON.stringify(lengths));
    assert.deepEqual(hasher.cuttingOf(found.packed), cutting ?? { kind: "content", level: 0 });
    assert.deepEqual([told.at(-1) ?? 0, told.toSorted((a, b) => a - b)], [length, told]);
  }
});

test("of a new version the parts that travel are few, and all of them are the file", async () => {
  const old = randomBytes(80 * MIB);
  const inserted = randomBytes(1000);
  const next = Buffer.concat([old.subarray(0, 30 * MIB), inserted, old.subarray(30 * MIB)]);
  for (const kind of ["content", "grid"]) {
    const cutting = { kind, level: 0 };
    const [before, now] = await Promise.all(
      [old, next].map((content) => hasher.index(new Blob([content]), cutting)),
    );
    const segments = await hasher.plan(before.packed, now.packed);
    await areParts(segments, next, old, kind);
    assert.ok(segments.some(isCopied), JSON.stringify(segments));
    const same = await hasher.plan(now.packed, now.packed);
    assert.ok(same.every(isCopied));
  }
});

test("a plan that is made while the file is read is the same, but for parts that are smaller", async () => {
  const old = randomBytes(80 * MIB);
  const next = Buffer.concat([old.subarray(0, 20 * MIB), randomBytes(30 * MIB), old.subarray(50 * MIB)]);
  for (const kind of ["content", "grid"]) {
    const cutting = { kind, level: 0 };
    const { packed: base } = await hasher.index(new Blob([old]), cutting);
    const told = [];
    let read = 0;
    const { rest, packed } = await hasher.index(new Blob([next]), cutting, {
      base,
      known: [base],
      onProgress: (bytes) => (read = bytes),
      onSegments: (segments) => told.push({ read, segments }),
    });
    assert.ok(told[0].read < 60 * MIB, "it is told as soon as it is certain");
    const segments = [...told.flatMap(({ segments }) => segments), ...rest];
    await areParts(segments, next, old, kind);
    const planned = await hasher.plan(base, packed);
    assert.deepEqual(segments.filter(isCopied), planned.filter(isCopied));
    const travelling = segments.filter((segment) => !isCopied(segment));
    assert.ok(travelling.every(({ length }) => length < 10 * MIB));
    const same = await hasher.index(new Blob([old]), cutting, {
      base,
      known: [packed, base],
      onSegments: () => assert.fail("it may be the known one"),
    });
    assert.deepEqual(same.rest, await hasher.plan(base, base));
  }
});

const isCopied = ({ from }) => from !== undefined;

/** Whether these are the parts of `next`, and what is copied is in `old`. */
async function areParts(segments, next, old, kind) {
  let end = 0;
  for (const { offset, length, crc64nvme, from } of segments) {
    assert.equal(offset, end);
    end += length;
    const part = next.subarray(offset, end);
    assert.equal(crc64nvme, await checksumOf(part));
    if (from !== undefined) assert.ok(part.equals(old.subarray(from, from + length)));
    if (end < next.length) assert.ok(length >= 5 * MIB && (kind !== "grid" || length === 8 * MIB));
  }
  assert.equal(end, next.length);
}

test("what is no index is told", async () => {
  const { packed } = await contentIndex(Buffer.from("content"));
  for (const bad of [
    packed.subarray(1),
    packed.subarray(0, 20),
    Buffer.from([2, 1, 0, 0]),
    Buffer.alloc(0),
  ]) {
    await assert.rejects(hasher.plan(bad, packed), { code: "protocol_violation" });
    await assert.rejects(hasher.plan(packed, bad), { code: "protocol_violation" });
    for (const compared of [{ base: bad }, { known: [packed, bad] }])
      await assert.rejects(hasher.index(new Blob([]), undefined, compared), { code: "protocol_violation" });
    assert.throws(() => hasher.cuttingOf(bad), { code: "protocol_violation" });
  }
});

test("an index that nobody wants rejects at once, and no more of the file is read", async () => {
  const file = new Blob([randomBytes(64 * MIB)]);
  const gone = new AbortController();
  gone.abort("before");
  await assert.rejects(hasher.index(file, undefined, { signal: gone.signal }), {
    code: "aborted",
    cause: "before",
  });
  const early = new AbortController();
  const told = [];
  const index = hasher.index(file, undefined, {
    signal: early.signal,
    onProgress(read) {
      told.push(read);
      early.abort("enough");
    },
  });
  await assert.rejects(index, { code: "aborted", cause: "enough" });
  // It has its turn once that one has ended.
  const { size } = await hasher.index(new Blob(["next"]), undefined);
  assert.equal(size, 4);
  assert.ok(told.at(-1) < 32 * MIB, `${told.length} times told, at last of ${told.at(-1)} bytes`);
});

test("a file that has become shorter or is too large is told as that, and the next one is indexed", async () => {
  const file = new Blob([randomBytes(MIB)]);
  try {
    Worker.faults = { claims: MIB + 1 };
    await assert.rejects(hasher.index(file), { code: "file_changed" });
    Worker.faults = { claims: 50_000 * MIB + 1 };
    await assert.rejects(hasher.index(file, { kind: "content", level: 0 }), { code: "unsupported" });
  } finally {
    Worker.faults = undefined;
  }
  assert.equal((await hasher.index(file)).size, MIB);
});

test("a file whose reading hangs holds up others only as long as somebody wants it", async () => {
  const end = new AbortController();
  const file = new Blob([randomBytes(9 * MIB)]);
  Worker.faults = { hangs: true };
  const hanging = hasher.index(file, undefined, { signal: end.signal });
  Worker.faults = undefined;
  const next = hasher.index(file);
  end.abort();
  await assert.rejects(hanging, { code: "aborted" });
  assert.equal((await next).size, file.size);
});

test("where there is no crypto.subtle, files are not indexed", async () => {
  const { crypto } = globalThis;
  Object.defineProperty(globalThis, "crypto", { value: {}, configurable: true });
  try {
    await assert.rejects(hasher.index(new Blob(["content"])), { code: "unsupported" });
  } finally {
    Object.defineProperty(globalThis, "crypto", { value: crypto, configurable: true });
  }
});

test("an ended worker answers nothing more", async () => {
  const { constructor: ContentHasher } = hasher;
  const other = new ContentHasher({});
  const index = other.index(new Blob([randomBytes(8 * MIB)]));
  other.end();
  await assert.rejects(index, { code: "worker_failed" });
  await assert.rejects(other.plan(Buffer.alloc(4), Buffer.alloc(4)), { code: "worker_failed" });
});
