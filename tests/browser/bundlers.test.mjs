// The packed tarball in fresh projects: each common bundler, and none, makes an app of it that uploads a file in a
// real browser, under a strict Content Security Policy, below a path, from another origin than the coordinator's.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { build as esbuild } from "esbuild";
import { build as viteBuild, createServer as createViteServer } from "vite";
import webpack from "webpack";

import { freePorts } from "../../stack/ports.mjs";
import { useStack } from "./harness.mjs";
import { BELOW, openWatched, usePublished } from "./published.mjs";

const run = promisify(execFile);
const APP = fileURLToPath(new URL("../fixtures/app/", import.meta.url));

const [sitePort, devPort] = await freePorts(2);
const published = usePublished(sitePort);
const dev = `http://localhost:${devPort}`;
const stack = useStack({ direct: true, vars: { ALLOWED_ORIGINS: `${published.site},${dev}` } });

const project = () => published.project(APP);
let file;

/** Until the end: pages that are still open must not miss them. */
const hosts = [];
after(() => {
  for (const host of hosts) {
    host.close();
    host.closeAllConnections();
  }
});

test("Vite builds it", async (t) => {
  const outDir = join(published.folder, "vite");
  await viteBuild({
    root: await project(),
    base: BELOW,
    logLevel: "warn",
    configFile: false,
    build: { outDir, emptyOutDir: true },
  });
  await uploads(t, outDir);
  await shares(t, outDir);
  await streamsAndDownloads(t, outDir);
  await uploadsAgain(t, outDir);
});

test("Vite's development server serves it", async (t) => {
  const vite = await createViteServer({
    root: await project(),
    configFile: false,
    logLevel: "warn",
    cacheDir: join(published.folder, "vite-cache"),
    optimizeDeps: { exclude: ["@syncsphere/uploader"] },
    server: { host: "localhost", port: devPort, strictPort: true, fs: { allow: [published.folder] } },
  });
  t.after(() => vite.close());
  await vite.listen();
  await uploadsAt(t, `${dev}/`);
  await uploadsAt(t, `${dev}/`, { shared: true });
  await uploadsAt(t, `${dev}/`, { entries: true });
  await uploadsAt(t, `${dev}/`, { deltas: true });
});

test("webpack builds it", async (t) => {
  const outDir = join(published.folder, "webpack");
  const stats = await promisify(webpack)({
    mode: "production",
    context: await project(),
    entry: "./main.js",
    output: { path: outDir, filename: "main.js" },
    performance: { hints: false },
  });
  assert.deepEqual(stats.toJson({ all: false, errors: true, warnings: true }).errors, []);
  await cp(join(await project(), "index.html"), join(outDir, "index.html"));
  await uploads(t, outDir);
  await shares(t, outDir);
  await streamsAndDownloads(t, outDir);
  await uploadsAgain(t, outDir);
});

for (const [tool, build] of [
  [
    "webpack",
    async (outDir, assets) =>
      promisify(webpack)({
        mode: "production",
        context: await project(),
        entry: "./main.js",
        output: { path: outDir, filename: "main.js", publicPath: assets },
        performance: { hints: false },
      }),
  ],
  [
    "Vite",
    async (outDir, assets) =>
      viteBuild({
        root: await project(),
        base: assets,
        logLevel: "warn",
        configFile: false,
        build: { outDir, emptyOutDir: true },
      }),
  ],
]) {
  test(`${tool} builds it with its files on another host, where a policy knows blob: workers, and else says what to do`, async (t) => {
    const outDir = join(published.folder, `${tool}-elsewhere`);
    const host = await serveElsewhere(outDir);
    await build(outDir, `${host}/`);
    if (tool === "webpack") await cp(join(await project(), "index.html"), join(outDir, "index.html"));
    const [script, connect] = [host, host];
    const allowed = { script, connect, worker: `blob: ${host}` };
    await uploads(t, outDir, allowed);
    await uploadsAgain(t, outDir, allowed);
    // Vite leaves no address of so small a script.
    if (tool === "webpack") await streamsAndDownloads(t, outDir, allowed);
    else {
      const stream = await uploadIn(t, outDir, { ...allowed, entries: true });
      assert.equal(await stream.textContent(), "worker_failed");
      assert.match(await stream.getAttribute("title"), /^spool\.js .* worker-src blob: .* spoolUrl$/);
    }

    const tooLittle = {
      script,
      connect,
      worker: "'self'",
      expected: (text) => /Content Security Policy/.test(text),
    };
    // Which of the workers is named last is chance.
    const stream = await uploadIn(t, outDir, { ...tooLittle, entries: true });
    assert.equal(await stream.textContent(), "worker_failed");
    const output = await uploadIn(t, outDir, tooLittle);
    assert.equal(await output.textContent(), "worker_failed");
    const told = await output.getAttribute("title");
    assert.match(told, new RegExp(`^worker\\.js is at ${host}: `));
    for (const cure of ["createWorker", "workerUrl", "blob:", "/inline"])
      assert.ok(told.includes(cure), told);
  });
}

test("esbuild builds it, with workers and module copied beside the bundle", async (t) => {
  const outDir = join(published.folder, "esbuild");
  await bundle("main.js", outDir);
  for (const name of [
    "worker.js",
    "shared-worker.js",
    "spool.js",
    "download-worker.js",
    "delta-worker.js",
    "uploader.wasm",
  ])
    await cp(join(published.installed, name), join(outDir, name));
  await uploads(t, outDir);
  await shares(t, outDir);
  await streamsAndDownloads(t, outDir);
  await uploadsAgain(t, outDir);
});

test("esbuild builds it in one script from the inline entry", async (t) => {
  const outDir = join(published.folder, "inline");
  await bundle("inline.js", outDir);
  await uploads(t, outDir, { worker: "blob:" });
});

test("no bundler is needed: an import map will do", async (t) => {
  const outDir = join(published.folder, "import-map");
  await mkdir(outDir);
  for (const name of ["main.js", "app.js"]) await cp(join(await project(), name), join(outDir, name));
  await cp(published.installed, join(outDir, "uploader"), { recursive: true });
  const map = JSON.stringify({
    imports: {
      "@syncsphere/uploader": "./uploader/index.js",
      "@syncsphere/uploader/files": "./uploader/files.js",
      "@syncsphere/uploader/streams": "./uploader/streams.js",
    },
  });
  const html = await readFile(join(await project(), "index.html"), "utf8");
  await writeFile(
    join(outDir, "index.html"),
    html.replace("<script", `<script type="importmap">${map}</script>\n<script`),
  );
  const hash = createHash("sha256").update(map).digest("base64");
  await uploads(t, outDir, { script: `'sha256-${hash}'` });
  await shares(t, outDir, { script: `'sha256-${hash}'` });
  await streamsAndDownloads(t, outDir, { script: `'sha256-${hash}'` });
  await uploadsAgain(t, outDir, { script: `'sha256-${hash}'` });
});

test("it is imported where nothing of a browser is, as servers do that render pages", async () => {
  const script = `
    import { Uploader } from "@syncsphere/uploader";
    import { Uploader as Inline } from "@syncsphere/uploader/inline";
    import { Workspace } from "@syncsphere/uploader/files";
    import { SyncSphereUpload } from "@syncsphere/uploader/element";
    import "@syncsphere/uploader/element/define";
    const options = { endpoint: "https://files.example.com", token: "a.b.c" };
    for (const Kind of [Uploader, Inline]) await new Kind(options).close();
    new Workspace(options);
    console.log(typeof SyncSphereUpload);`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: await project(),
  });
  assert.equal(stdout.trim(), "function");
});

async function bundle(entry, outDir) {
  await esbuild({
    absWorkingDir: await project(),
    entryPoints: { main: entry },
    bundle: true,
    format: "esm",
    minify: true,
    outdir: outDir,
    logLevel: "error",
  });
  await cp(join(await project(), "index.html"), join(outDir, "index.html"));
}

/** The built app in `outDir`, under a policy that allows what the package says that it needs. */
async function uploads(t, outDir, allowed) {
  await isAvailable(await uploadIn(t, outDir, allowed));
}

/** The same by workers that all pages share. */
async function shares(t, outDir, allowed) {
  await isAvailable(await uploadIn(t, outDir, { ...allowed, shared: true }));
}

/** The same as a stream, and back, by the workers of those entries. */
async function streamsAndDownloads(t, outDir, allowed) {
  await isAvailable(await uploadIn(t, outDir, { ...allowed, entries: true }));
}

/** The same again, of which nothing is sent, by the worker that finds that out. */
async function uploadsAgain(t, outDir, allowed) {
  await isAvailable(await uploadIn(t, outDir, { ...allowed, deltas: true }));
}

async function uploadsAt(t, address, options) {
  await isAvailable(await uploadAt(t, address, options));
}

async function isAvailable(output) {
  assert.match(await output.textContent(), /^available [A-Za-z0-9+/]{11}=$/);
  assert.equal(await output.getAttribute("title"), null, "nothing to complain about");
}

/** What the built app says of an upload, under a policy. */
async function uploadIn(t, outDir, { script = "", connect = "", worker = "'self'", ...options } = {}) {
  published.serve(outDir, [
    "default-src 'none'",
    `script-src 'self' 'wasm-unsafe-eval' ${script}`,
    `worker-src ${worker}`,
    `connect-src 'self' ${stack.coordinator.url} ${stack.s3.endpoint} ${connect}`,
  ]);
  return uploadAt(t, published.address, options);
}

async function uploadAt(t, address, { shared = false, entries = false, deltas = false, ...options } = {}) {
  const parameters = new URLSearchParams({ endpoint: stack.coordinator.url });
  if (shared) parameters.set("shared", "");
  if (entries) parameters.set("entries", "");
  if (deltas) parameters.set("deltas", "");
  const page = await openWatched(t, stack.browser, `${address}?${parameters}`, options);
  file ??= await stack.file("bundled.bin", 17 * 2 ** 20);
  await page.locator("input").setInputFiles(file.path);
  const output = page.locator("output");
  await output.filter({ hasText: /./ }).waitFor();
  return output;
}

/** A host of files alone, as a content delivery network is, for every page to read. */
async function serveElsewhere(folder) {
  const server = createServer(async ({ url }, response) => {
    const path = new URL(url, "http://host").pathname;
    const type = { ".js": "text/javascript", ".wasm": "application/wasm" }[extname(path)];
    try {
      const body = await readFile(join(folder, path));
      response.writeHead(200, { "content-type": type ?? "text/plain", "access-control-allow-origin": "*" });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  hosts.push(server);
  return `http://127.0.0.1:${server.address().port}`;
}
