// What the package publishes besides its main entry, where there is no browser: it is found, has types, and renders.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import { createElement } from "react";
import { renderToString } from "react-dom/server";

import { UploadError, Uploader } from "../../uploader-wasm/npm/dist/index.js";
import { useChanges, useUpload } from "../../uploader-wasm/npm/dist/react.js";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PACKAGE = join(ROOT, "uploader-wasm/npm");

test("every entry is found, and with its types, by whoever installs the tarball", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "syncsphere-pack-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
    cwd: PACKAGE,
  });
  const tarball = join(folder, JSON.parse(stdout)[0].filename);
  const program = (name) => join(ROOT, "node_modules/.bin", name);
  const passes = (name, ...args) =>
    run(program(name), args).catch(({ stdout, stderr }) => assert.fail(stdout + stderr));
  await passes("publint", "--strict", tarball);
  const notCode = ["--exclude-entrypoints", "worker", "wasm"];
  await passes("attw", "--profile", "esm-only", ...notCode, "--", tarball);
});

test("a server renders components with the hooks, and starts nothing", async () => {
  const uploader = new Uploader({ endpoint: "https://files.example.com", token: "a.b.c" });
  function Component() {
    const { uploads, progress, upload } = useUpload(uploader);
    const { live } = useChanges(uploader, () => assert.fail("no change comes on a server"));
    return createElement("p", null, [uploads.length, progress.total, typeof upload, String(live)].join(" "));
  }
  assert.equal(renderToString(createElement(Component)), "<p>0 0 function false</p>");
  await uploader.close();
});

test("the element is known only where there is a page, and only once asked for", async () => {
  const { SyncSphereUpload, defineUploadElement } =
    await import("../../uploader-wasm/npm/dist/element/index.js");
  defineUploadElement();
  assert.equal(SyncSphereUpload.formAssociated, true);
  const defined = [];
  globalThis.customElements = { get: () => undefined, define: (name) => defined.push(name) };
  try {
    await import("../../uploader-wasm/npm/dist/element/define.js");
    defineUploadElement("my-upload");
  } finally {
    delete globalThis.customElements;
  }
  assert.deepEqual(defined, ["syncsphere-upload", "my-upload"]);
});

test("all entries share the main one's error, and each is small", async () => {
  const { Workspace } = await import("../../uploader-wasm/npm/dist/files.js");
  const workspace = new Workspace({
    endpoint: "https://files.example.com",
    token() {
      throw new Error("signed out");
    },
  });
  await assert.rejects(workspace.files(), (error) => error instanceof UploadError);
  for (const [entry, budget] of [
    // With what a page sees of a download, and versions.
    ["files.js", 3_050],
    // Loaded on use, with the page's side of the worker that compares files.
    ["download.js", 5_500],
    ["download-worker.js", 2_750],
    ["react.js", 2_000],
    // With all that sends the parts of what goes on.
    ["streams.js", 10_800],
    // With a checksum of its own, in place of the engine's WebAssembly.
    ["spool.js", 1_500],
    // Loaded on use.
    ["open-uploads.js", 4_500],
    // Loaded on use, with the scripts of conductor and lane.
    ["shared.js", 1_200],
    ["shared-worker.js", 13_500],
    // Loaded on use, with all that sends parts and tells where they stand, and plans that grow while files are read.
    ["deltas.js", 12_300],
    // Loaded on use, with the WebAssembly of the delta core in it.
    ["delta-worker.js", 23_500],
    ["wake-lock.js", 500],
    // With its texts in three languages, and the walk through folders.
    ["element/index.js", 9_200],
  ]) {
    const { length } = gzipSync(await readFile(join(PACKAGE, "dist", entry)), { level: 9 });
    assert.ok(length < budget, `${entry} has ${length} bytes, gzipped`);
  }
});
