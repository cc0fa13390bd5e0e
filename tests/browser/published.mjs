// The package as its users get it: packed, installed from the tarball in a fresh project, and what is built from that
// served below a path, from another origin than the coordinator's, under a strict Content Security Policy.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { basename, dirname, extname, join, normalize } from "node:path";
import { text } from "node:stream/consumers";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { PATIENCE } from "./harness.mjs";

const run = promisify(execFile);
const PACKAGE = fileURLToPath(new URL("../../uploader-wasm/npm/", import.meta.url));

/** Where apps are served below, as behind somebody's reverse proxy. */
export const BELOW = "/some/path/";

/** Installs the package for the tests of the calling file, and serves on that port what they build. */
export function usePublished(port) {
  const published = new Published(port);
  before(() => published.start());
  after(() => published.stop());
  return published;
}

class Published {
  /** What forms have sent, each as a list of names and values. */
  submissions = [];
  #port;
  #server = createServer((request, response) => void this.#answer(request, response));
  #served = {};

  constructor(port) {
    this.#port = port;
    this.site = `http://localhost:${port}`;
    this.address = this.site + BELOW;
  }

  async start() {
    this.folder = await mkdtemp(join(tmpdir(), "syncsphere-published-"));
    const { stdout } = await run(
      "npm",
      ["pack", "--json", "--ignore-scripts", "--pack-destination", this.folder],
      {
        cwd: PACKAGE,
      },
    );
    const tarball = join(this.folder, JSON.parse(stdout)[0].filename);
    await writeFile(join(this.folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    await run("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], { cwd: this.folder });
    this.installed = join(this.folder, "node_modules/@syncsphere/uploader/dist");
    this.#server.listen(this.#port, "localhost");
    await once(this.#server, "listening");
  }

  async stop() {
    this.#server.close();
    this.#server.closeAllConnections();
    if (this.folder) await rm(this.folder, { recursive: true, force: true });
  }

  /** A copy of an app's folder that finds the package as an installed one. */
  async project(app) {
    const project = join(this.folder, basename(app));
    await cp(app, project, { recursive: true });
    return project;
  }

  /** From now on the site is what lies in `folder`, under this policy. */
  serve(folder, policy) {
    this.#served = { folder, policy: policy.join("; ") };
  }

  async #answer(request, response) {
    const { pathname } = new URL(request.url, this.site);
    const path = pathname.startsWith(BELOW) ? pathname.slice(BELOW.length) || "index.html" : undefined;
    const { folder, policy } = this.#served;
    if (request.method === "POST") {
      this.submissions.push([...new URLSearchParams(await text(request))]);
      response.writeHead(200, { "content-type": "text/html" });
      return void response.end('<!doctype html><html lang="en"><title>Thanks</title><h1>Thanks</h1></html>');
    }
    const place = path && folder && normalize(join(folder, path));
    try {
      if (!place || !dirname(place + "/").startsWith(folder)) throw new Error("not here");
      const body = await readFile(place);
      response.writeHead(200, {
        "content-type": TYPES[extname(place)] ?? "application/octet-stream",
        "content-security-policy": policy,
      });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  }
}

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
};

/** Opens a page that must neither throw nor write an error; both are looked at when the test ends. */
export async function openWatched(t, browser, address, { expected = () => false, ...options } = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.setDefaultTimeout(60_000);
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    // Browsers ask for an icon of their own accord.
    const isIcon = message.location().url.endsWith("/favicon.ico");
    if (message.type() === "error" && !isIcon && !expected(message.text())) problems.push(message.text());
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(problems, [], "errors on the page");
  });
  await page.goto(address);
  return page;
}
