// Pages with Uppy as other sites have it: version 6 with its Dashboard, and version 5.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { PATIENCE, until } from "./harness.mjs";
import { equip } from "./package-page.mjs";

const FIXTURES = fileURLToPath(new URL("../fixtures/", import.meta.url));
const PACKAGE = fileURLToPath(new URL("../../uploader-wasm/npm/dist/", import.meta.url));

const HTML = `<!doctype html>
<html lang="en">
  <meta charset="utf-8" />
  <title>Uppy</title>
  <link rel="stylesheet" href="/uppy-page/page.css" />
  <div id="uppy"></div>
  <script type="module" src="/uppy-page/page.js"></script>
</html>`;

const bundles = {};

/**
 * A page of `fixtures/uppy5` or `fixtures/uppy6`, below the coordinator's address, with what tests of the package call in
 * it. By the end of the test it must not have thrown. `makeUppy` in it makes an Uppy that keeps its `events`.
 */
export async function openUppy(stack, t, version) {
  const files = await (bundles[version] ??= bundle(version));
  const context = await stack.browser.newContext({ bypassCSP: true });
  const problems = [];
  t.after(async () => {
    await context.close();
    stack.proxy.shape();
    assert.deepEqual(problems, [], "errors on the page");
  });
  await context.route(`${stack.url}/uppy-page/**`, (route) => {
    const name = new URL(route.request().url()).pathname.split("/").at(-1);
    return route.fulfill(files[name] ?? { status: 404 });
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => problems.push(error.stack));
  // A document that the real server sent: the browser lets no other one talk to the storage on this machine.
  await page.goto(`${stack.url}/healthz?workspace=${stack.workspace()}`);
  await page.setContent(HTML);
  await equip(page);
  await until(() => page.evaluate(() => typeof Uppy === "function"), "Uppy is there");
  await page.evaluate(helpPage);
  return page;
}

async function bundle(version) {
  const alias = { "@syncsphere/uploader/uppy": `${PACKAGE}uppy.js` };
  // The package's entry extends whatever Uppy the page has.
  if (version === "uppy5") alias["@uppy/core"] = `${FIXTURES}uppy5/node_modules/@uppy/core/lib/index.js`;
  const { outputFiles } = await build({
    entryPoints: { page: `${FIXTURES}${version}/page.mjs` },
    outdir: "/",
    bundle: true,
    write: false,
    format: "esm",
    logLevel: "error",
    alias,
  });
  const contentTypes = { js: "text/javascript", css: "text/css" };
  const files = outputFiles.map(({ path, text }) => [
    path.split("/").at(-1),
    { body: text, contentType: contentTypes[path.split(".").at(-1)] },
  ]);
  return { "page.css": { body: "", contentType: "text/css" }, ...Object.fromEntries(files) };
}

/** Runs in the page. */
function helpPage() {
  const EVENTS = [
    "upload-start",
    "upload-success",
    "upload-error",
    "upload-pause",
    "upload-retry",
    "cancel-all",
    "complete",
  ];
  globalThis.makeUppy = (options) => {
    const uppy = new Uppy(options);
    uppy.events = [];
    uppy.progress = [];
    for (const name of EVENTS) uppy.on(name, () => uppy.events.push(name));
    uppy.on("upload-progress", (file, { bytesUploaded }) => uppy.progress.push([file.name, bytesUploaded]));
    return uppy;
  };
  globalThis.client = (options) => ({ endpoint: location.origin, token: guestToken, ...options });
  /** Options of the plugin: its workers are where the demo site has them. */
  globalThis.pluginOptions = (options) =>
    client({
      partSize: 5 * 1024 * 1024,
      workerUrl: "/uploader/worker.js",
      wasmUrl: "/uploader/uploader.wasm",
      ...options,
    });
  /** A file of bytes that no two parts have alike, and their hash. */
  globalThis.makeFile = async (name, size) => {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += 65536)
      crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65536)));
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const sha256 = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return { file: new File([bytes], name, { type: "text/plain" }), sha256 };
  };
  /** A file of the workspace, as the coordinator has it. */
  globalThis.lookUp = async (query) => {
    const headers = { authorization: `Bearer ${await guestToken()}` };
    return await (await fetch(`/v1/files${query}`, { headers })).json();
  };
}
