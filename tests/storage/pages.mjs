// The page's uploads to every storage: large and small files, byte by byte, with the storage's own CORS.

import assert from "node:assert/strict";
import { download, pick, reaches } from "../browser/harness.mjs";
import { startSite } from "./site.mjs";
import { on } from "./support.mjs";

const MIB = 1024 * 1024;

/** Registers the tests for one server. */
export function pageTests(server) {
  on(server, "a page uploads files of every kind, and they come back as they were", async (t) => {
    const stack = await startSite(t, server);
    const page = await stack.openPage(t);
    const files = [
      await stack.file("empty.bin", 0),
      await stack.file("small.bin", 1000),
      await stack.file("large.bin", 40 * MIB + 1),
    ];
    await pick(page, ...files);
    for (const { name } of files) await reaches(page, name, "available");
    for (const { name, sha256 } of files) assert.equal((await download(page, name)).sha256, sha256, name);
  });
}
