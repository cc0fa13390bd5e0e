// Uploads files as a person would, through the demo page in a real browser, and reads back what was stored.

import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { launchChromium } from "./chromium.mjs";

/**
 * Sets the files on the page's file input and waits until each has ended; yields them as `{file, name, size}`, `file`
 * being the index in `paths`, with `error` where the upload did not succeed. `tell` hears `uploading` and `uploaded`.
 *
 * All go at once, except that files of the same name go in one round after the other, for page and workspace tell them
 * apart by name alone; a round is yielded before the next starts.
 *
 * @param {string} url the demo site
 * @param {string[]} paths
 * @param {(event: object) => void} tell
 */
export async function* uploadThroughPage(url, paths, tell) {
  const files = await Promise.all(
    paths.map(async (path, file) => ({
      file,
      path,
      name: asShown(basename(path)),
      size: (await stat(path)).size,
    })),
  );
  const browser = await launchChromium();
  try {
    for (const round of roundsOfDistinctNames(files)) {
      // A fresh page, so that it shows the uploads of this round only.
      const page = await browser.newPage();
      await uploadRound(page, url, round, tell);
      await page.close();
      yield* round;
    }
  } finally {
    await browser.close();
  }
}

/**
 * Downloads the newest stored file of that name through the coordinator's link, in a stream, and returns what came:
 * `{fileId, size, sha256, crc64nvme}`, the last one as the coordinator's record has it.
 *
 * @param {string} url the coordinator
 * @param {{file: number, name: string, size: number}} upload
 * @param {(event: object) => void} tell hears `readingBack` events
 */
export async function readBack(url, { file, name, size }, tell) {
  const headers = { authorization: `Bearer ${await guestToken(url)}` };
  const record = await newestRecord(url, headers, name);
  const response = await fetch(`${url}/v1/files/${record.fileId}/content`, { headers });
  if (!response.ok) throw new Error(`the download link answered ${response.status}`);

  const hash = createHash("sha256");
  let loaded = 0;
  let told = 0;
  tell({ type: "readingBack", file, loaded, total: size });
  for await (const piece of response.body) {
    hash.update(piece);
    loaded += piece.length;
    if (Date.now() - told > TELL_EVERY_MS) {
      told = Date.now();
      tell({ type: "readingBack", file, loaded, total: size });
    }
  }
  return {
    fileId: record.fileId,
    size: loaded,
    sha256: hash.digest("hex"),
    crc64nvme: record.checksum?.crc64nvme,
  };
}

const TELL_EVERY_MS = 200;

// An upload waits for a lost network as long as it takes; an unattended run does not.
const STALLED_AFTER_MS = 10 * 60_000;

function roundsOfDistinctNames(files) {
  const rounds = [];
  for (const file of files) {
    let round = rounds.find((names) => !names.has(file.name));
    if (!round) rounds.push((round = new Map()));
    round.set(file.name, file);
  }
  return rounds.map((round) => [...round.values()]);
}

async function uploadRound(page, url, files, tell) {
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));

  const byName = new Map(files.map((file) => [file.name, file]));
  const open = new Set(files.map((file) => file.name));
  let lastChange = Date.now();
  let allEnded;
  const ended = new Promise((resolve) => (allEnded = resolve));

  await page.exposeFunction("tellUpload", ({ name, state, loaded, seconds }) => {
    const file = byName.get(asShown(name));
    if (!file || !open.has(file.name)) return;
    lastChange = Date.now();
    tell({ type: "uploading", file: file.file, loaded, total: file.size });
    if (state === "available") tell({ type: "uploaded", file: file.file, seconds });
    else if (state === "failed" || state === "aborted") file.error = explain(`the upload ${state}`, problems);
    else return;
    open.delete(file.name);
    if (open.size === 0) allEnded();
  });

  await page.goto(url);
  await page.waitForFunction(() => Boolean(globalThis.uploader));
  await page.evaluate(watchUploads);
  await page.setInputFiles(
    '[data-testid="file-input"]',
    files.map((file) => file.path),
  );

  const watch = setInterval(() => {
    if (Date.now() - lastChange > STALLED_AFTER_MS) allEnded();
  }, 1000);
  await ended;
  clearInterval(watch);
  for (const name of open) byName.get(name).error = explain("the upload does not get on", problems);
}

/** Runs in the page: reports each upload's state and bytes as they change, with the time since the files were set. */
function watchUploads() {
  const input = document.querySelector('[data-testid="file-input"]');
  let started;
  const start = () => (started ??= performance.now());
  input.addEventListener("input", start, { capture: true });
  input.addEventListener("change", start, { capture: true });

  const last = new WeakMap();
  const look = () => {
    for (const element of document.querySelectorAll('[data-testid="upload"]')) {
      const { name, state, loaded } = element.dataset;
      const seen = `${state} ${loaded}`;
      if (!state || last.get(element) === seen) continue;
      last.set(element, seen);
      const seconds = (performance.now() - started) / 1000;
      globalThis.tellUpload({ name, state, loaded: Number(loaded ?? 0), seconds });
    }
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
}

/** Names are compared in the one normal form of Unicode that pages and services use, whatever the file system has. */
function asShown(name) {
  return name.normalize("NFC");
}

function explain(what, problems) {
  return problems.length > 0 ? `${what}: ${problems.slice(-3).join(" | ")}` : what;
}

async function guestToken(url) {
  const answer = await json(`${url}/v1/auth/token`, {
    method: "POST",
    body: new URLSearchParams({ grant_type: "urn:syncsphere:guest" }),
  });
  return answer.access_token;
}

async function newestRecord(url, headers, name) {
  let cursor;
  do {
    const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : "";
    const page = await json(`${url}/v1/files${query}`, { headers });
    const found = page.files.find((record) => asShown(record.name) === name && record.status === "available");
    if (found) return found;
    cursor = page.nextCursor;
  } while (cursor);
  throw new Error("the workspace does not list the file");
}

async function json(url, options) {
  const response = await fetch(url, options);
  if (!response.ok) throw new Error(`${new URL(url).pathname} answered ${response.status}`);
  return await response.json();
}
