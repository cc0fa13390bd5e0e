// What every suite here needs: a stack that all engines share, a page of our own in each, and files in storage.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ENGINE_NAMES, launchBrowser, whyMissing } from "../../stack/browsers/index.mjs";
import { BETWEEN_LOOKS, PATIENCE, until, useStack } from "../browser/harness.mjs";

export { ENGINE_NAMES, launchBrowser, until, whyMissing };

const DEMO = fileURLToPath(new URL("../../demo-site/dist", import.meta.url));
const PAGE = fileURLToPath(new URL("./page", import.meta.url));

/** Where suites leave what a person should look at. */
export const ARTIFACTS = fileURLToPath(new URL("./artifacts/", import.meta.url));

/**
 * Longest time for one test, in ms. Source: own choice: only what neither moves nor ends should meet it; 1 GiB at 2 MB/s
 * does not.
 */
const LONGEST_TEST = 600_000;

/** Storage, coordinator, and a site that has the demo page and ours; `options` as for `useStack`. */
export function useSite(options) {
  return useStack({ ...options, site: makeSite, launch: () => undefined });
}

/**
 * Registers tests for each engine; `register` gets the engine and a function like node's `test`, whose options may have
 * `cannot`: engines by name that cannot do this, with the reason, which are skipped by that; so is all of an engine that is
 * not installed.
 * `SYNCSPHERE_ENGINES` (names with commas between) chooses some.
 */
export function inEachEngine(stack, register) {
  const chosen = process.env.SYNCSPHERE_ENGINES?.split(",") ?? ENGINE_NAMES;
  for (const name of chosen) {
    describe(name, () => {
      const engine = new Engine(name, stack);
      const missing = whyMissing(name);
      after(() => engine.close());
      register(engine, (title, { cannot = {}, ...options }, run) =>
        test(`${title} (${name})`, { skip: missing ?? cannot[name], timeout: LONGEST_TEST, ...options }, run),
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
    /** Another page of the site, as a link leads to it. */
    page.next = async () => {
      search.set("page", Number(search.get("page")) + 1);
      await page.open();
    };
    page.away = () => page.goto(`${origin}/check/away.html`);
    page.comeBack = async () => {
      await page.back();
      await ready(page);
    };
    await page.open();
    return page;
  }
}

async function ready(page) {
  const look = () => ["ready" in document.documentElement.dataset, globalThis.problems ?? []];
  await until(async () => {
    // While one page gives way to another, an engine may have none to ask.
    const [isReady, problems] = await page.evaluate(look).catch(() => [false, []]);
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

/**
 * Waits until an upload is seen to be so, for as long as it moves at all, and tells what was seen of it; `meanwhile` is
 * called again and again.
 */
export async function sees(page, name, what, isSo, meanwhile = () => {}) {
  let before;
  let deadline = Date.now() + PATIENCE;
  for (;;) {
    const seen = await page.evaluate((name) => app.look(name), name);
    if (seen && isSo(seen)) return seen;
    const shown = JSON.stringify(seen);
    if (shown !== before) deadline = Date.now() + PATIENCE;
    if (Date.now() > deadline) throw new Error(`waited in vain until ${name} ${what}: ${shown}`);
    before = shown;
    await meanwhile();
    await delay(BETWEEN_LOOKS);
  }
}

/** Whether an upload has ended, however, and has told its record or its error, which come right after the state. */
const hasEnded = ({ fileId, code }) => fileId !== undefined || code !== undefined;

/** Waits until an upload has ended, and tells what was seen of it. */
export async function ends(page, name, meanwhile) {
  return await sees(page, name, "has ended", hasEnded, meanwhile);
}

/** Waits until an upload is in this state, and tells what was seen of it; fails at once where it ends in another. */
export async function reaches(page, name, state) {
  const isThere = (seen) => hasEnded(seen) || (seen.state === state && !ENDS.includes(state));
  const seen = await sees(page, name, `is ${state}`, isThere);
  assert.equal(seen.state, state, JSON.stringify(seen));
  return seen;
}

const ENDS = ["available", "failed", "aborted"];

/** Waits until so many bytes of an upload are on their way. */
export async function loads(page, name, bytes) {
  await sees(page, name, `has loaded ${bytes} bytes`, ({ loaded }) => loaded >= bytes);
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
