// The packed tarball in fresh projects: each common bundler, and none, makes an app of it that uploads a file in a
// real browser, under a strict Content Security Policy, below a path, from another origin than the coordinator's.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, extname, join, normalize } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { build as esbuild } from "esbuild";
import { build as viteBuild, createServer as createViteServer } from "vite";
import webpack from "webpack";

import { freePorts } from "../../stack/ports.mjs";
import { useStack } from "./harness.mjs";

const run = promisify(execFile);
const PACKAGE = fileURLToPath(new URL("../../uploader-wasm/npm/", import.meta.url));
const APP = fileURLToPath(new URL("../fixtures/app/", import.meta.url));
/** Where apps are served below, as behind somebody's reverse proxy. */
const BELOW = "/some/path/";

const [sitePort, devPort] = await freePorts(2);
const site = `http://localhost:${sitePort}`;
const dev = `http://localhost:${devPort}`;
const stack = useStack({ direct: true, vars: { ALLOWED_ORIGINS: `${site},${dev}` } });

let folder;
let project;
let file;
/** What the site serves below `BELOW`: a folder, and the policy that goes with it. */
let served = {};
const server = createServer(answer);

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "syncsphere-bundlers-"));
  project = join(folder, "project");
  await cp(APP, project, { recursive: true });
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: PACKAGE });
  const tarball = join(folder, JSON.parse(stdout)[0].filename);
  await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], { cwd: project });
  file = await stack.file("bundled.bin", 17 * 2 ** 20);
  server.listen(sitePort, "localhost");
  await once(server, "listening");
});

after(async () => {
  server.close();
  server.closeAllConnections();
  if (folder) await rm(folder, { recursive: true, force: true });
});

test("Vite builds it", async (t) => {
  const outDir = join(folder, "vite");
  await viteBuild({
    root: project,
    base: BELOW,
    logLevel: "warn",
    configFile: false,
    build: { outDir, emptyOutDir: true },
  });
  await uploads(t, outDir);
});

test("Vite's development server serves it", async (t) => {
  const vite = await createViteServer({
    root: project,
    configFile: false,
    logLevel: "warn",
    cacheDir: join(folder, "vite-cache"),
    optimizeDeps: { exclude: ["@syncsphere/uploader"] },
    server: { host: "localhost", port: devPort, strictPort: true, fs: { allow: [folder] } },
  });
  t.after(() => vite.close());
  await vite.listen();
  await uploadsAt(t, `${dev}/`);
});

test("webpack builds it", async (t) => {
  const outDir = join(folder, "webpack");
  const stats = await promisify(webpack)({
    mode: "production",
    context: project,
    entry: "./main.js",
    output: { path: outDir, filename: "main.js" },
    performance: { hints: false },
  });
  assert.deepEqual(stats.toJson({ all: false, errors: true, warnings: true }).errors, []);
  await cp(join(project, "index.html"), join(outDir, "index.html"));
  await uploads(t, outDir);
});

test("esbuild builds it, with worker and module copied beside the bundle", async (t) => {
  const outDir = join(folder, "esbuild");
  await bundle("main.js", outDir);
  for (const name of ["worker.js", "uploader.wasm"]) await cp(join(installed(), name), join(outDir, name));
  await uploads(t, outDir);
});

test("esbuild builds it in one script from the inline entry", async (t) => {
  const outDir = join(folder, "inline");
  await bundle("inline.js", outDir);
  await uploads(t, outDir, { worker: "blob:" });
});

test("no bundler is needed: an import map will do", async (t) => {
  const outDir = join(folder, "import-map");
  await mkdir(outDir);
  for (const name of ["main.js", "app.js"]) await cp(join(project, name), join(outDir, name));
  await cp(installed(), join(outDir, "uploader"), { recursive: true });
  const map = JSON.stringify({ imports: { "@syncsphere/uploader": "./uploader/index.js" } });
  const html = await readFile(join(project, "index.html"), "utf8");
  await writeFile(
    join(outDir, "index.html"),
    html.replace("<script", `<script type="importmap">${map}</script>\n<script`),
  );
  const hash = createHash("sha256").update(map).digest("base64");
  await uploads(t, outDir, { script: `'sha256-${hash}'` });
});

test("it is imported where nothing of a browser is, as servers do that render pages", async () => {
  for (const entry of ["@syncsphere/uploader", "@syncsphere/uploader/inline"]) {
    const script = `
      import { Uploader } from ${JSON.stringify(entry)};
      const uploader = new Uploader({ endpoint: "https://files.example.com", token: "a.b.c" });
      await uploader.close();
      console.log("closed");`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script], {
      cwd: project,
    });
    assert.equal(stdout.trim(), "closed");
  }
});

function installed() {
  return join(project, "node_modules/@syncsphere/uploader/dist");
}

async function bundle(entry, outDir) {
  await esbuild({
    absWorkingDir: project,
    entryPoints: { main: entry },
    bundle: true,
    format: "esm",
    minify: true,
    outdir: outDir,
    logLevel: "error",
  });
  await cp(join(project, "index.html"), join(outDir, "index.html"));
}

/** The built app in `outDir`, under a policy that allows what the package says that it needs. */
async function uploads(t, outDir, { script = "", worker = "'self'" } = {}) {
  const policy = [
    "default-src 'none'",
    `script-src 'self' 'wasm-unsafe-eval' ${script}`,
    `worker-src ${worker}`,
    `connect-src 'self' ${stack.coordinator.url} ${stack.s3.endpoint}`,
  ];
  served = { folder: outDir, policy: policy.join("; ") };
  await uploadsAt(t, site + BELOW);
}

async function uploadsAt(t, address) {
  const context = await stack.browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    // Browsers ask for an icon of their own accord.
    const isIcon = message.location().url.endsWith("/favicon.ico");
    if (message.type() === "error" && !isIcon) problems.push(message.text());
  });
  await page.goto(`${address}?endpoint=${encodeURIComponent(stack.coordinator.url)}`);
  await page.locator("input").setInputFiles(file.path);
  const output = page.locator("output");
  await output.filter({ hasText: /./ }).waitFor({ timeout: 60_000 });
  assert.match(await output.textContent(), /^available [A-Za-z0-9+/]{11}=$/);
  assert.deepEqual(problems, []);
}

async function answer(request, response) {
  const { pathname } = new URL(request.url, site);
  const path = pathname.startsWith(BELOW) ? pathname.slice(BELOW.length) || "index.html" : undefined;
  const place = path && served.folder && normalize(join(served.folder, path));
  try {
    if (!place || !dirname(place + "/").startsWith(served.folder)) throw new Error("not here");
    const body = await readFile(place);
    response.writeHead(200, {
      "content-type": TYPES[extname(place)] ?? "application/octet-stream",
      "content-security-policy": served.policy,
    });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
}

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
