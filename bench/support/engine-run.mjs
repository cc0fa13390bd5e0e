import { setTimeout as delay } from "node:timers/promises";
import { launchBrowser } from "../../stack/browsers/index.mjs";
import { memoryOf } from "../../stack/browsers/processes.mjs";

/** How long a page rests before it counts as idle, in ms. Source: own choice, what its workers need to start and warm up. */
const REST_MS = 3000;

/** Between two looks at the page and at the browser's memory, in ms: each costs the browser some of its time. */
const BETWEEN_LOOKS_MS = 500;

/**
 * Lets a contestant upload files in a browser of this engine that nobody used before, and makes sure that storage holds that
 * many bytes afterwards. `peak` is the most that all its processes took (proportional set size) above what they took when the
 * files had been picked, in bytes.
 *
 * @param {Awaited<ReturnType<typeof import("./arena.mjs").openArena>>} arena
 * @param {"chromium" | "firefox" | "webkit"} engine
 * @param {{page: string, settings?: object}} contestant
 * @param {{paths: string[], bytes: number}} files
 * @returns {Promise<{seconds: number, peak: number, version: string}>}
 */
export async function runInEngine(arena, engine, contestant, files) {
  return await arena.store(() => uploadIn(arena, engine, contestant, files), files);
}

/**
 * The same in several engines at once, each of which uploads all the files: for their memory, since they share the processors.
 *
 * @returns {Promise<{seconds: number, engines: Record<string, {seconds: number, peak: number}>}>} `seconds` of the slowest
 */
export async function runInEngines(arena, engines, contestant, files) {
  const run = async () => {
    const runs = engines.map((engine) => uploadIn(arena, engine, contestant, files));
    // One that fails leaves no other behind.
    await Promise.allSettled(runs);
    return await Promise.all(runs);
  };
  const results = await arena.store(run, { bytes: engines.length * files.bytes });
  return {
    seconds: Math.max(...results.map(({ seconds }) => seconds)),
    engines: Object.fromEntries(engines.map((engine, at) => [engine, results[at]])),
  };
}

async function uploadIn(arena, engine, contestant, files) {
  const browser = await launchBrowser(engine);
  try {
    const page = await browser.newPage();
    await open(page, arena, contestant);
    await page.setFiles("input", files.paths);
    await delay(REST_MS);
    return { ...(await upload(page, browser.pid)), version: browser.version };
  } finally {
    await browser.close();
  }
}

async function open(page, arena, { page: name, settings = {} }) {
  await page.goto(`${name === "ours" ? arena.ours : arena.peers}/${name}.html`);
  while (!(await page.evaluate(() => Boolean(globalThis.prepare)))) await delay(BETWEEN_LOOKS_MS);
  await page.evaluate((all) => globalThis.prepare(all), { ...settings, s3: arena.s3Settings });
}

/** No call to the page waits for the upload: an engine may do nothing else meanwhile. */
async function upload(page, pid) {
  const idle = await memoryOf(pid);
  await page.evaluate(() => {
    globalThis.run().then(
      (outcome) => (globalThis.outcome = outcome),
      (error) => (globalThis.outcome = { error: String(error) }),
    );
  });
  let most = idle;
  for (;;) {
    await delay(BETWEEN_LOOKS_MS);
    most = Math.max(most, await memoryOf(pid));
    const outcome = await page.evaluate(() => globalThis.outcome);
    if (outcome?.error) throw new Error(outcome.error);
    if (outcome) return { seconds: outcome.seconds, peak: most - idle };
  }
}
