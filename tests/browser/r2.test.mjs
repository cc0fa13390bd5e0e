// The page with the coordinator behind Cloudflare's edge and storage that behaves as R2 does.

import { test } from "node:test";
import assert from "node:assert/strict";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { download, pick, reaches, until, useStack } from "./harness.mjs";
import { equip } from "./package-page.mjs";

// As in Linux and macOS, where the monotonic clock stands still while the computer sleeps: the one on the wall jumps.
const SLEEPER = `{
  const now = Date.now;
  let slept = 0;
  Date.now = () => now() + slept;
  new BroadcastChannel("sleep").onmessage = ({ data }) => (slept = data);
}`;

const stack = useStack({ r2: true, site: siteThatSleeps, vars: { S3_FORMS: "off", S3_REGION: undefined } });

test("a file of many parts, one that a fault hits, and text arrive whole, and R2 is asked for nothing that it lacks", async (t) => {
  stack.proxy.interfere(({ partNumber, attempt }) =>
    partNumber === 2 && attempt === 1 ? { kind: "reset", afterBytes: 100_000 } : undefined,
  );
  const page = await stack.openPage(t);
  const files = [
    await stack.file("large.bin", 150 * 2 ** 20 + 7),
    await stack.file("notes.txt", 300_000),
    await stack.file("empty.bin", 0),
  ];
  await pick(page, ...files);
  for (const { name } of files) await reaches(page, name, "available");
  for (const { name, sha256 } of files) assert.equal((await download(page, name)).sha256, sha256);
  assert.ok(
    stack.proxy.requests.some(({ partNumber, status }) => partNumber === 2 && status === 0),
    "the fault was met",
  );
  const sizes = new Set(
    stack.proxy.requests.filter(({ partNumber }) => partNumber > 0).map(({ contentLength }) => contentLength),
  );
  assert.ok(sizes.size <= 2, `parts of one size and a rest: ${[...sizes]}`);
  assert.deepEqual(stack.s3.refused, []);
  const { before, between } = stack.coordinator.edges;
  assert.ok(before.requests.length > 0 && between.requests.some(({ method }) => method === "HEAD"));
});

test("URLs that ran out while the computer slept are renewed", async (t) => {
  const page = await openPackagePage(t);
  // Half of the file is stored when the lid closes.
  let asleep;
  const awake = new Promise((wake) => (asleep = wake));
  stack.proxy.interfere(({ partNumber }) => (partNumber > 4 ? { kind: "hold", until: awake } : undefined));
  const ending = page.evaluate(async () => {
    const uploader = await makeUploader();
    const task = uploader.upload(new File([new Uint8Array(40 * 2 ** 20).fill(7)], "night.bin"));
    await loads(task, 20 * 2 ** 20);
    globalThis.half = true;
    const { status } = await task.done;
    await uploader.close();
    return status;
  });
  await until(() => page.evaluate(() => globalThis.half), "half of it is stored");
  await delay(1500); // what is signed in one second has one date
  stack.s3.endUrls();
  await page.evaluate((ms) => new BroadcastChannel("sleep").postMessage(ms), NIGHT);
  stack.proxy.behave();
  asleep();
  assert.equal(await Promise.race([ending, delay(40_000, "it hangs")]), "available");
  assert.ok(stack.s3.refused.includes("ExpiredRequest"), "a URL had run out");
});

test("a clock by which R2 takes new URLs for over is named, and not the CORS rules", async (t) => {
  const page = await openPackagePage(t);
  t.after(() => stack.s3.setClock(0));
  stack.s3.setClock(NIGHT);
  const [code, reason, lines] = await page.evaluate(async () => {
    const lines = [];
    const keep = (line) => lines.push(line);
    const retry = { outagePatience: 60_000 };
    const uploader = await makeUploader({ logger: { debug: keep, warn: keep }, retry });
    const task = uploader.upload(new File(["abc"], "late.txt"));
    const error = await task.done.catch((error) => error);
    await uploader.close();
    return [error.code, error.reason, lines.join("\n")];
  });
  assert.deepEqual([code, reason], ["storage_unreachable", "clock_skewed"], lines);
  assert.match(lines, /^storage: clock_skewed, see docs\/errors\.md#clock_skewed$/m);
});

// In ms; longer than URLs live. Source: `URL_TTL_SECONDS` of wrangler.toml
const NIGHT = 10 * 3600 * 1000;

/** The demo page with the package's functions in it. */
async function openPackagePage(t) {
  const context = await stack.browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(`${stack.url}/?workspace=${stack.workspace()}`);
  await equip(page);
  return page;
}

/** The demo site whose workers take a sleep for granted that they are told of. */
async function siteThatSleeps(folder) {
  const site = join(folder, "site");
  await cp(fileURLToPath(new URL("../../demo-site/dist", import.meta.url)), site, { recursive: true });
  const worker = join(site, "uploader/worker.js");
  await writeFile(worker, `${SLEEPER}\n${await readFile(worker, "utf8")}`);
  return site;
}
