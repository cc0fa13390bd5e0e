// Only what changed travels, in every engine: the worker with its module inside, each engine's way of reading files, and new
// versions in real storage.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { copyFile, mkdtemp, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, beforeEach } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

import { sha256 } from "../browser/harness.mjs";
import { contentIndex } from "../fixtures/content-index.mjs";
import { arrives, guestToken, inEachEngine, until, upload, useSite } from "./harness.mjs";

const MIB = 1024 * 1024;

const stack = useSite();

beforeEach(() => stack.proxy.behave());

let script;
before(async () => {
  const entry = new URL("../../uploader-wasm/npm/src/deltas/content-hasher.ts", import.meta.url);
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    format: "esm",
    write: false,
    // No entry exports it: as if it lay beside the others.
    define: { "import.meta.url": "globalThis.besideOthers" },
  });
  script = outputFiles[0].text;
});

inEachEngine(stack, (engine, test) => {
  test(
    "a picked file has the index that Node computes of it, and its parts are found again",
    {},
    async (t) => {
      const page = await engine.openPage(t);
      const bytes = randomBytes(30_000_000);
      const path = join(await mkdtemp(join(stack.folder, "d-")), "indexed.bin");
      await writeFile(path, bytes);
      await page.setFiles("#files", [path]);
      const { packed, told, segments, ...found } = await page.evaluate(async (script) => {
        globalThis.besideOthers = `${location.origin}/uploader/content-hasher.js`;
        const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
        const { ContentHasher } = await import(url);
        const hasher = new ContentHasher({});
        let told = 0;
        const onProgress = (read) => (told = read);
        const [file] = document.querySelector("#files").files;
        const { packed, ...index } = await hasher.index(file, undefined, { onProgress });
        const segments = await hasher.plan(packed, packed);
        hasher.end();
        return { ...index, packed: [...packed], told, segments };
      }, script);
      const { lengths, ...expected } = await contentIndex(bytes);
      assert.deepEqual({ ...found, packed: Buffer.from(packed) }, expected, JSON.stringify(lengths));
      assert.equal(told, bytes.length);
      assert.deepEqual(segments, [
        { offset: 0, length: bytes.length, crc64nvme: expected.crc64nvme, from: 0 },
      ]);
    },
  );

  test("of a new version little is sent, and of a file that is there already nothing", {}, async (t) => {
    const { page, token, first } = await openWithFirst(t, engine);
    const next = await editedFile(first, 20);
    let before = stack.proxy.bytesReceived;
    await uploadAnew(page, next);
    await arrives(stack, page, next.name, next);
    const sent = stack.proxy.bytesReceived - before;
    assert.ok(sent > 0 && sent <= 32 * MIB, `${sent} bytes were sent`);
    await knowsIndexes(token, next, 2);

    before = stack.proxy.bytesReceived;
    await uploadAnew(page, next);
    await arrives(stack, page, next.name, next);
    assert.equal(stack.proxy.bytesReceived, before);
  });

  test("a new version that a reload interrupts is begun anew", {}, async (t) => {
    const { page, first } = await openWithFirst(t, engine);
    const next = await editedFile(first, 20);
    const parts = holdParts();
    await uploadAnew(page, next);
    await parts.held();
    await page.again();
    parts.letGo();
    assert.deepEqual(await page.evaluate(() => app.interrupted()), []);
    const before = stack.proxy.bytesReceived;
    await uploadAnew(page, next);
    await arrives(stack, page, next.name, next);
    const sent = stack.proxy.bytesReceived - before;
    assert.ok(sent <= 32 * MIB, `${sent} bytes were sent`);
  });
});

/** A page that has uploaded a file of 48 MiB, whose index the coordinator knows. All its uploads are one guest's. */
async function openWithFirst(t, engine) {
  const workspace = stack.workspace();
  const token = await guestToken(stack, workspace);
  const page = await engine.openPage(t, { workspace, token, options: { deltas: true } });
  const first = await stack.file("report.bin", 48 * MIB);
  await upload(page, first);
  await arrives(stack, page, first.name, first);
  await knowsIndexes(token, first, 1);
  return { page, token, first };
}

/** Waits until the coordinator knows the indexes of so many files that one like this could take from. */
async function knowsIndexes(token, { name, size }, count) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const request = { method: "POST", headers, body: JSON.stringify({ name, size }) };
  await until(async () => {
    const { bases } = await (await fetch(`${stack.url}/v1/files/bases`, request)).json();
    return bases.filter(({ chunks }) => chunks).length === count;
  }, `${count} indexes are known`);
}

/** Uploads this file alone: WebDriver adds to what has been picked before. */
async function uploadAnew(page, file) {
  await page.evaluate(() => (document.querySelector("#files").value = ""));
  await upload(page, file);
}

/** The same file under the same name, but for 1 MiB. */
async function editedFile({ path, name, size }, mebibyte) {
  const edited = join(await mkdtemp(join(stack.folder, "e-")), name);
  await copyFile(path, edited);
  const file = await open(edited, "r+");
  await file.write(randomBytes(MIB), 0, MIB, mebibyte * MIB);
  await file.close();
  return { path: edited, name, size, sha256: await sha256(edited) };
}

/** Has storage hold all parts until they are let go. */
function holdParts() {
  let letGo;
  const released = new Promise((resolve) => (letGo = resolve));
  let count = 0;
  stack.proxy.interfere(({ partNumber }) => {
    if (!partNumber) return undefined;
    count += 1;
    return { kind: "hold", until: released };
  });
  return { letGo, held: () => until(() => count > 0, "a part is on its way") };
}
