// Content indexes in every engine: the worker with its module inside, and each engine's way of reading files.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

import { contentIndex } from "../fixtures/content-index.mjs";
import { inEachEngine, useSite } from "./harness.mjs";

const stack = useSite();

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
});
