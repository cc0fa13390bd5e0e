// What every suite needs: one stack for the whole file, pages in workspaces of their own, and files to upload.

import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { launchChromium } from "../../stack/chromium.mjs";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { startProxy } from "../../stack/proxy.mjs";
import { startR2 } from "../../stack/r2.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";

const SITE = fileURLToPath(new URL("../../demo-site/dist", import.meta.url));

/** Where suites leave what a person should look at. */
export const ARTIFACTS = fileURLToPath(new URL("./artifacts/", import.meta.url));

/**
 * Longest wait in which nothing that is waited for moves, in ms. Source: own choice: a quiet machine takes a few seconds at
 * the most, one whose processors a dozen other programs want, ten times as long.
 */
export const PATIENCE = 120_000;

/** In ms. A look costs test and page some of the processor that they wait for. */
export const BETWEEN_LOOKS = 40;

/**
 * Starts, for the tests of the calling file, real storage, the built coordinator with the demo site, a browser, and
 * between browser and storage a proxy that spoils things on demand (`direct` leaves it out), under one name or two. With `r2`
 * storage behaves as R2 does. `site` makes another site than the demo's, in a folder of its own, and tells where; `launch`
 * starts another browser, or none.
 */
export function useStack({
  direct = false,
  r2 = false,
  names = ["127.0.0.1"],
  vars,
  site = () => SITE,
  launch = launchChromium,
} = {}) {
  const stack = new Stack(names);
  before(() => stack.start({ direct, r2, vars, site, launch }));
  after(() => stack.stop());
  return stack;
}

/** What a page is opened on. */
export class Stack {
  #cleanUps = [];
  #names;
  #workspaces = 0;

  constructor(names = []) {
    this.#names = names;
  }

  async start({ direct, r2, vars, site, launch }) {
    try {
      this.folder = await mkdtemp(join(tmpdir(), "syncsphere-files-"));
      this.#cleanUps.push(() => rm(this.folder, { recursive: true, force: true }));
      this.s3 = await startSeaweed();
      const { stop } = this.s3;
      this.#cleanUps.push(() => stop());
      if (r2) {
        this.s3 = await startR2(this.s3);
        this.#cleanUps.push(() => this.s3.stop());
      }
      if (!direct) {
        this.proxy = await startProxy({ target: this.s3.endpoint });
        this.#cleanUps.push(() => this.proxy.stop());
      }
      this.site = await site(this.folder);
      await this.startCoordinator(vars);
      this.#cleanUps.push(() => this.coordinator.stop());
      this.url = this.coordinator.url.replace("127.0.0.1", "localhost");
      this.browser = await launch();
      this.#cleanUps.push(() => this.browser?.close());
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Starts the coordinator; after `coordinator.stop()`, starts it again where it was, with what it knew. */
  async startCoordinator(vars) {
    const { endpoint, accessKeyId, secretAccessKey, bucket, region, provider } = this.s3;
    const publicEndpoints = this.#names.map((name) => this.proxy?.endpoint.replace("127.0.0.1", name));
    const publicEndpoint = this.proxy && publicEndpoints.join(",");
    this.coordinator = await startCoordinator({
      s3: { endpoint, publicEndpoint, accessKeyId, secretAccessKey, bucket, region, provider },
      assets: this.site,
      vars,
      durableDir: join(this.folder, "durable"),
      port: this.url ? Number(new URL(this.url).port) : 0,
    });
  }

  async stop() {
    for (const cleanUp of this.#cleanUps.splice(0).reverse()) await cleanUp();
  }

  /** A name that no other test of the file has. */
  workspace() {
    this.#workspaces += 1;
    return `test-${this.#workspaces}`;
  }

  /**
   * The demo page in a browser profile of its own, which goes when the test ends; by then the page must not have
   * thrown. Its uploads end with it unless they are `shared`. `page.seen()` tells what its rows showed over time, unless they are not
   * `watched`, which costs more with each row.
   */
  async openPage(t, { workspace = this.workspace(), watched = true, shared = false, ...options } = {}) {
    const context = await this.browser.newContext(options);
    if (watched) await context.addInitScript(recordRows);
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    const problems = [];
    page.on("pageerror", (error) => problems.push(error.stack));
    page.on("console", (message) => {
      // Refused and broken requests are what some tests are about.
      const expected =
        message.text().includes("Failed to load resource") || message.text().includes("net::ERR");
      if (message.type() === "error" && !expected) problems.push(message.text());
    });
    t.after(async () => {
      await context.close();
      assert.deepEqual(problems, [], "errors on the page");
    });
    await page.goto(`${this.url}/?workspace=${workspace}${shared ? "" : "&shared=off"}`);
    await page.locator('#files[aria-busy="false"]').waitFor();
    return Object.assign(page, { workspace, seen: () => page.evaluate(() => globalThis.seenRows) });
  }

  /** A file of this many bytes that compress and repeat nowhere, with its SHA-256. */
  async file(name, size) {
    const path = join(await mkdtemp(join(this.folder, "f-")), name);
    const hash = createHash("sha256");
    const out = await open(path, "w");
    const block = randomBytes(1024 * 1024);
    for (let offset = 0; offset < size; offset += block.length) {
      block.writeDoubleBE(offset + 1, 0); // so that no two parts are alike
      const piece = block.subarray(0, Math.min(block.length, size - offset));
      hash.update(piece);
      await out.write(piece);
    }
    await out.close();
    return { path, name, size, sha256: hash.digest("hex") };
  }
}

/** A folder with files at these paths below it, of so many bytes each. */
export async function folderOf(stack, name, paths) {
  const folder = join(await mkdtemp(join(stack.folder, "d-")), name);
  await mkdir(folder);
  for (const [path, size] of Object.entries(paths)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), Buffer.alloc(size, path));
  }
  return folder;
}

/** A file of zeros that takes no room on the disk. */
export async function sparseFile(stack, name, size) {
  const path = join(await mkdtemp(join(stack.folder, "s-")), name);
  await writeFile(path, "");
  await truncate(path, size);
  return { path, name, size };
}

/** Sets files on the page's input, as a person picks them. */
export async function pick(page, ...files) {
  await page.getByTestId("file-input").setInputFiles(files.map((file) => file.path));
}

/** The row of an upload. */
export function uploadRow(page, name) {
  return page.locator(`[data-testid="upload"][data-name=${quoted(name)}]`);
}

/** The row of a file of the workspace. */
export function fileRow(page, name) {
  return page.locator(`[data-testid="file"][data-name=${quoted(name)}]`);
}

/** Waits until the upload of that name has reached a state; fails at once where it ends in another. */
export async function reaches(page, name, state, timeout = PATIENCE) {
  const row = uploadRow(page, name);
  const states = new Set([state, "available", "failed", "aborted"]);
  const there = [...states].map((one) => `[data-state="${one}"]`).join(", ");
  const late = await row
    .and(page.locator(there))
    .waitFor({ timeout })
    .catch((error) => error);
  const shown = (await row.innerText()).replaceAll("\n", " | ");
  assert.equal(await row.getAttribute("data-state"), state, late ? `after ${timeout} ms: ${shown}` : shown);
}

/** Waits until so many bytes of the upload are on their way. */
export async function loads(page, name, bytes, timeout = PATIENCE) {
  await page.waitForFunction(
    ([selector, least]) => Number(document.querySelector(selector)?.dataset.loaded) >= least,
    [`[data-testid="upload"][data-name=${quoted(name)}]`, bytes],
    { timeout },
  );
}

/** What earlier pages had kept of streams, once it is offered: the browser lets go of it a moment after the page's end. */
export async function offeredStreams(page) {
  const offered = page.locator('li[data-testid="kept-streams"]');
  await until(async () => {
    await page.evaluate(() => dispatchEvent(new Event("focus")));
    return (await offered.count()) > 0;
  }, "what the other page kept is offered");
  return offered;
}

/** Clicks the file's download link and returns what the browser saved: `{name, sha256}`. */
export async function download(page, name) {
  const row = fileRow(page, name).and(page.locator('[data-status="available"]'));
  const link = row.getByTestId("download");
  const [saved] = await Promise.all([page.waitForEvent("download"), link.click()]);
  return { name: saved.suggestedFilename(), sha256: await sha256(await saved.path()) };
}

/** SHA-256 of a file, in hex. */
export async function sha256(path) {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest("hex");
}

/** Waits until `look` gives something true, and returns that. */
export async function until(look, what, timeout = PATIENCE) {
  const deadline = Date.now() + timeout;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOOKS));
  }
}

/** A CSS string. */
function quoted(text) {
  return `"${text.replace(/["\\\p{Cc}]/gu, (one) => `\\${one.codePointAt(0).toString(16)} `)}"`;
}

/** Runs in the page before its own script: keeps each different state that its rows show. */
function recordRows() {
  const seen = { uploads: {}, files: {} };
  globalThis.seenRows = seen;
  const keep = (list, entry) => {
    if (JSON.stringify(list.at(-1)) !== JSON.stringify(entry)) list.push(entry);
  };
  const look = () => {
    for (const { dataset } of document.querySelectorAll('[data-testid="upload"]')) {
      const { name, state, loaded } = dataset;
      keep((seen.uploads[name] ??= []), { state, loaded: Number(loaded) });
    }
    for (const { dataset } of document.querySelectorAll('[data-testid="file"]')) {
      keep((seen.files[dataset.name] ??= []), dataset.status);
    }
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
}
