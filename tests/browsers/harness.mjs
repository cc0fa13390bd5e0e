// What every suite here needs: a stack that all engines share, a page of our own in each, and files in storage.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ENGINE_NAMES, launchBrowser } from "../../stack/browsers/index.mjs";
import { until, useStack } from "../browser/harness.mjs";

export { ENGINE_NAMES, launchBrowser, until };

const DEMO = fileURLToPath(new URL("../../demo-site/dist", import.meta.url));
const PAGE = fileURLToPath(new URL("./page", import.meta.url));

/** Where suites leave what a person should look at. */
export const ARTIFACTS = fileURLToPath(new URL("./artifacts/", import.meta.url));

/** Storage, coordinator, and a site that has the demo page and ours; `options` as for `useStack`. */
export function useSite(options) {
  return useStack({ ...options, site: makeSite, launch: () => undefined });
}

/**
 * Registers tests for each engine; `register` gets the engine and a function like node's `test`, whose options may have
 * `cannot`: engines by name that cannot do this, with the reason, which are skipped by that.
 * `SYNCSPHERE_ENGINES` (names with commas between) chooses some.
 */
export function inEachEngine(stack, register) {
  const chosen = process.env.SYNCSPHERE_ENGINES?.split(",") ?? ENGINE_NAMES;
  for (const name of chosen) {
    describe(name, () => {
      const engine = new Engine(name, stack);
      after(() => engine.close());
      register(engine, (title, { cannot = {}, ...options }, run) =>
        test(`${title} (${name})`, { skip: cannot[name], ...options }, run),
      );
    });
  }
}

class Engine {
  #stack;
  #browser;

  constructor(name, stack) {
    this.name = name;
    this.#stack = stack;
  }

  /** The browser that tests share, unless one needs its own. */
  async browser() {
    return await (this.#browser ??= launchBrowser(this.name));
  }

  async close() {
    await (await this.#browser)?.close();
  }

  /**
   * Our page in a tab of its own, which goes when the test ends; by then nothing must have gone wrong on it, but for what
   * `mayComplain` says. `options` are the uploader's, `without` names faults of `page/without.js`.
   */
  async openPage(t, { browser, origin = this.#stack.url, mayComplain, ...parameters } = {}) {
    const page = await (browser ?? (await this.browser())).newPage();
    const { workspace = this.#stack.workspace(), without = [], options = {}, inline, token } = parameters;
    const search = new URLSearchParams({ workspace, options: JSON.stringify(options) });
    if (without.length > 0) search.set("without", without.join(","));
    if (inline) search.set("inline", "");
    if (token) search.set("token", token);
    t.after(async () => {
      // A browser that the test has ended says nothing any more.
      const problems = await page.evaluate(() => globalThis.problems).catch(() => []);
      await page.close().catch(() => {});
      const unexpected = problems.filter((problem) => !mayComplain?.test(problem));
      assert.deepEqual(unexpected, [], "errors on the page");
    });
    page.workspace = workspace;
    page.open = async () => {
      await page.goto(`${origin}/check/?${search}`);
      await ready(page);
    };
    page.again = async () => {
      await page.reload();
      await ready(page);
    };
    await page.open();
    return page;
  }
}

async function ready(page) {
  await until(async () => {
    const [isReady, problems] = await page.evaluate(() => [
      "ready" in document.documentElement.dataset,
      globalThis.problems ?? [],
    ]);
    assert.deepEqual(problems, [], "the page does not start");
    return isReady;
  }, "the page is ready");
}

/** The demo page in a tab of this browser, ready, which goes when the test ends. */
export async function openDemo(stack, t, browser) {
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.goto(`${stack.url}/?workspace=${stack.workspace()}`);
  const isReady = () => document.querySelector("#files")?.getAttribute("aria-busy") === "false";
  await until(() => page.evaluate(isReady), "the page is ready");
  return page;
}

/** A file of which storage takes the first `parts`; the others are held until its `letGo` is called. */
export async function heldFile(stack, name, size, parts) {
  const file = await stack.file(name, size);
  const released = new Promise((resolve) => (file.letGo = resolve));
  stack.proxy.interfere(({ partNumber }) => partNumber > parts && { kind: "hold", until: released });
  return file;
}

/** Puts files into the page's `<input>` and uploads them. */
export async function upload(page, ...files) {
  await page.setFiles(
    "#files",
    files.map(({ path }) => path),
  );
  await page.evaluate(() => app.uploadPicked());
}

/** Waits until an upload is in this state, and tells what was seen of it; fails at once where it ends in another. */
export async function reaches(page, name, state, timeout = 120_000) {
  const seen = await until(
    async () => {
      const seen = await page.evaluate((name) => app.look(name), name);
      const hasEnded = ["available", "failed", "aborted"].includes(seen?.state);
      // The record or the error comes right after the state.
      const isTold = !hasEnded || seen.fileId !== undefined || seen.code !== undefined;
      return (seen?.state === state || hasEnded) && isTold && seen;
    },
    `${name} is ${state}`,
    timeout,
  );
  assert.equal(seen.state, state, JSON.stringify(seen));
  return seen;
}

/** Waits until so many bytes of an upload are on their way. */
export async function loads(page, name, bytes) {
  await until(
    () => page.evaluate((name, bytes) => app.look(name)?.loaded >= bytes, name, bytes),
    `${name} loads ${bytes} bytes`,
    120_000,
  );
}

/** A guest's token, for pages of one person. */
export async function guestToken(stack, workspace) {
  const body = new URLSearchParams({ grant_type: "urn:syncsphere:guest", workspace });
  return (await (await fetch(`${stack.url}/v1/auth/token`, { method: "POST", body })).json()).access_token;
}

/** Size and SHA-256 of what storage gives for a file. */
export async function stored(stack, { workspace }, fileId) {
  const headers = {
    accept: "application/json",
    authorization: `Bearer ${await guestToken(stack, workspace)}`,
  };
  const link = await (await fetch(`${stack.url}/v1/files/${fileId}/content`, { headers })).json();
  const hash = createHash("sha256");
  let size = 0;
  for await (const piece of (await fetch(link.url)).body) {
    hash.update(piece);
    size += piece.length;
  }
  return { size, sha256: hash.digest("hex") };
}

/** Waits until an upload is available, and compares what is stored with what was sent. */
export async function arrives(stack, page, name, { size, sha256 }) {
  const { fileId } = await reaches(page, name, "available");
  assert.deepEqual(await stored(stack, page, fileId), { size, sha256 });
}

/** What the uploader's logger was warned of. */
export async function warnings(page) {
  const logged = await page.evaluate(() => app.logged());
  return logged.filter(({ level }) => level === "warn").map(({ message }) => message);
}

/** The demo site with our page in it, and with a script that keeps the demo page's errors. */
async function makeSite(folder) {
  const site = join(folder, "site");
  await cp(DEMO, site, { recursive: true });
  await cp(PAGE, join(site, "check"), { recursive: true });
  const demo = await readFile(join(site, "index.html"), "utf8");
  const watched = demo.replace("<head>", '<head><script src="/check/problems.js"></script>');
  await writeFile(join(site, "index.html"), watched);
  // Our page has a worker in a blob, as `/inline` does; the demo's policy knows none.
  const headers = await readFile(join(site, "_headers"), "utf8");
  await writeFile(join(site, "_headers"), `${headers}\n/check/*\n  ! Content-Security-Policy\n`);
  return site;
}
