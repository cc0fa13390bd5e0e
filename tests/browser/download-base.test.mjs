// Downloads with a file at hand that has much of the content: only what it lacks is fetched, and what is given is the file.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { beforeEach } from "node:test";

import { contentIndex } from "../fixtures/content-index.mjs";
import { useStack } from "./harness.mjs";
import { openPackage } from "./package-page.mjs";

const MIB = 1024 * 1024;
const RANGE = 8 * MIB;
const SIZE = 40 * MIB + 7;
const BYTES = randomBytes(SIZE);

const stack = useStack();

beforeEach(() => stack.proxy.behave());

/** A page with a file of the workspace, whose index is stated as `index` says. */
async function openWithFile(t, index) {
  const page = await openPackage(stack, t);
  await page.evaluate(provide);
  await pick(page, BYTES);
  const fileId = await page.evaluate(() => uploadPicked());
  if (index) await page.evaluate(([id, chunks]) => state(id, chunks), [fileId, index.toString("base64")]);
  stack.proxy.behave();
  return { page, fileId };
}

/** What the tests call in the page. */
async function provide() {
  const { Workspace } = await import("/uploader/files.js");
  const token = await guestToken();
  globalThis.picked = () => document.querySelector("#own-input").files[0];
  globalThis.uploadPicked = async () => {
    const uploader = await makeUploader({ token });
    const { fileId } = await uploader.upload(picked()).done;
    await uploader.close();
    return fileId;
  };
  globalThis.state = async (fileId, chunks) => {
    const { status } = await fetch(`/v1/files/${fileId}/chunks`, {
      method: "PUT",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ chunks }),
    });
    if (status !== 200) throw new Error(`the coordinator answered ${status}`);
  };
  globalThis.downloadWith = async (fileId, base, options) => {
    const workspace = new Workspace({ endpoint: location.origin, token });
    const download = workspace.download(fileId, {
      base,
      retry: { baseDelay: 20, maxDelay: 100 },
      ...options,
    });
    let progress;
    download.addEventListener("progress", ({ detail }) => (progress = detail));
    const file = await download.done;
    const hash = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    await download.discard();
    return { progress, sha256: btoa(String.fromCharCode(...new Uint8Array(hash))) };
  };
}

async function pick(page, bytes) {
  const path = join(await mkdtemp(join(stack.folder, "d-")), "disk.img");
  await writeFile(path, bytes);
  await page.locator("#own-input").setInputFiles(path);
}

/** Downloads the file with these bytes at hand: what it came to, and the bytes that storage gave. */
async function downloadWith(page, fileId, base) {
  await pick(page, base);
  stack.proxy.behave();
  const { progress, sha256 } = await page.evaluate((id) => downloadWith(id, picked()), fileId);
  assert.equal(sha256, createHash("sha256").update(BYTES).digest("base64"));
  assert.equal(progress.loaded, SIZE);
  const ranges = stack.proxy.requests.filter(({ method, status }) => method === "GET" && status === 206);
  return { copied: progress.copied, fetched: ranges.length * RANGE };
}

test("only what the file at hand lacks is fetched", async (t) => {
  const { packed, lengths } = await contentIndex(BYTES);
  const { page, fileId } = await openWithFile(t, packed);

  assert.deepEqual(await downloadWith(page, fileId, BYTES), { copied: SIZE, fetched: 0 });

  // The first chunk differs, and all others lie elsewhere.
  const shifted = await downloadWith(page, fileId, Buffer.concat([randomBytes(5), BYTES]));
  const missing = Math.ceil(lengths[0] / RANGE);
  assert.deepEqual(shifted, { copied: SIZE - missing * RANGE, fetched: missing * RANGE });

  // The version before ended earlier.
  const shorter = await downloadWith(page, fileId, BYTES.subarray(0, lengths[0] + lengths[1] + 1));
  assert.equal(shorter.copied, Math.floor((lengths[0] + lengths[1]) / RANGE) * RANGE);
});

test("without an index, or with a file of something else, all is fetched", async (t) => {
  const { page, fileId } = await openWithFile(t);
  assert.equal((await downloadWith(page, fileId, BYTES)).copied, 0);
  const { packed } = await contentIndex(BYTES);
  await page.evaluate(([id, chunks]) => state(id, chunks), [fileId, packed.toString("base64")]);
  assert.equal((await downloadWith(page, fileId, randomBytes(9 * MIB))).copied, 0);
});

test("an index that lies about the content costs a second fetch, and harms nothing", async (t) => {
  const other = randomBytes(SIZE);
  const { packed } = await contentIndex(BYTES, { kind: "grid" });
  const lie = Buffer.from(packed);
  // The second chunk's digest is that of other bytes; its checksum, which the coordinator holds it to, is right.
  const digestAt = 4 + 44 + 12;
  (await contentIndex(other, { kind: "grid" })).packed.copy(lie, digestAt, digestAt, digestAt + 32);
  const { page, fileId } = await openWithFile(t, lie);
  assert.deepEqual(await downloadWith(page, fileId, other), { copied: 0, fetched: (5 + 6) * RANGE });
});

test("a file at hand that cannot be read ends nothing", async (t) => {
  const { packed } = await contentIndex(BYTES);
  const { page, fileId } = await openWithFile(t, packed);
  const { progress } = await page.evaluate(async (fileId) => {
    const root = await navigator.storage.getDirectory();
    const handle = await root.getFileHandle("base", { create: true });
    const base = await handle.getFile();
    const out = await handle.createWritable();
    await out.write("changed");
    await out.close();
    return downloadWith(fileId, base);
  }, fileId);
  assert.deepEqual(progress, { loaded: SIZE, total: SIZE, copied: 0 });
});

test("a file at hand that changes meanwhile is read no more, and the rest is fetched", async (t) => {
  const { packed, lengths } = await contentIndex(BYTES);
  const { page, fileId } = await openWithFile(t, packed);
  // Its first chunk differs, so that storage is asked before all else is copied.
  await pick(page, Buffer.concat([randomBytes(5), BYTES]));
  await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    globalThis.handle = await root.getFileHandle("base", { create: true });
    const out = await handle.createWritable();
    await out.write(picked());
    await out.close();
    globalThis.changeBase = async () => {
      const out = await handle.createWritable();
      await out.write("changed");
      await out.close();
    };
  });
  stack.proxy.behave();
  const changed = Promise.withResolvers();
  const asked = new Promise((resolve) => {
    stack.proxy.interfere(({ method, range }) => {
      if (method !== "GET" || !range) return;
      resolve();
      return { kind: "hold", until: changed.promise };
    });
  });
  const ended = page.evaluate(
    async (id) => downloadWith(id, await handle.getFile(), { concurrency: 1 }),
    fileId,
  );
  await asked;
  await page.evaluate(() => changeBase());
  changed.resolve();
  const { progress, sha256 } = await ended;
  assert.equal(sha256, createHash("sha256").update(BYTES).digest("base64"));
  assert.ok(lengths[0] < SIZE / 2, "most of it could have been copied");
  assert.deepEqual(progress, { loaded: SIZE, total: SIZE, copied: 0 });
});
