// Uploads that send only what changed, in a page, and what tests of them call there.

import { ListMultipartUploadsCommand } from "@aws-sdk/client-s3";

import { until } from "./harness.mjs";
import { openPackage } from "./package-page.mjs";

/** The demo page with what tests of such uploads call in it. */
export async function openDeltas(stack, t) {
  const page = await openPackage(stack, t);
  await page.evaluate(provide);
  return page;
}

/** Fulfilled once the coordinator knows what the file consists of that is uploaded meanwhile. */
export function indexTold(page) {
  return page.waitForResponse(
    (response) => /\/v1\/files\/[^/]+\/chunks$/.test(response.url()) && response.ok(),
  );
}

/** A page that has uploaded a file of so many MiB of noise, `first`, which the coordinator knows the index of. */
export async function openWithFirst(stack, t, mebibytes, options) {
  const page = await openDeltas(stack, t);
  const told = indexTold(page);
  const record = await page.evaluate(
    async ([mebibytes, options]) => {
      globalThis.first = noise(mebibytes * MIB);
      const uploader = await makeDeltas();
      return await uploader.upload(new File([first], "big.bin"), options).done;
    },
    [mebibytes, options],
  );
  await told;
  stack.proxy.behave();
  return { page, record };
}

/**
 * An upload of the next version: pieces of `first` and of noise, by the functions of the page. Tells also how many bytes of
 * bodies storage was `sent` by the page meanwhile.
 */
export async function uploadNext(
  stack,
  page,
  pieces,
  { name = "big.bin", options = {}, uploaderOptions = {} } = {},
) {
  const script = `uploadPieces(${pieces}, ${[name, options, uploaderOptions].map((one) => JSON.stringify(one))})`;
  const before = stack.proxy.bytesReceived;
  const found = await page.evaluate(script);
  return { ...found, sent: stack.proxy.bytesReceived - before };
}

/** The paths of all requests from now on. */
export function pathsOf(page) {
  const paths = [];
  page.on("request", (request) => paths.push(new URL(request.url()).pathname));
  return paths;
}

/**
 * Storage copies nothing, as one that does not prove what it has copied, and says so then, by this status; gives the parts it was
 * asked for.
 */
export async function refuseCopies(page, { status = 424, then = Promise.resolve() } = {}) {
  const asked = [];
  const error = { type: "about:blank", title: "no", status, code: "storage_refused", detail: "no" };
  await page.route("**/copies", async (route) => {
    const { parts } = route.request().postDataJSON();
    asked.push(...parts);
    await then;
    const answer = { parts: parts.map(({ partNumber }) => ({ partNumber, error })) };
    await route.fulfill({ contentType: "application/json", body: JSON.stringify(answer) });
  });
  return asked;
}

/** Multipart uploads that storage has open. */
export async function openUploads(stack) {
  const { client, bucket } = stack.s3;
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  return Uploads;
}

export async function freed(stack) {
  await until(async () => (await openUploads(stack)).length === 0, "storage keeps nothing of it");
}

async function provide() {
  const MIB = 1024 * 1024;
  /** All uploaders are one subject's: others' files are taken nothing from. */
  const token = await guestToken();
  globalThis.ownToken = async () => token;
  globalThis.pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  let seed = 0;
  /** Bytes that repeat nowhere, the same ones in each run: where files are cut is no chance then. */
  globalThis.noise = (size) => {
    const words = new Uint32Array(Math.ceil(size / 4));
    // Source: Marsaglia, "Xorshift RNGs", 2003.
    let word = (seed += 0x9e3779b9);
    for (let at = 0; at < words.length; at++) {
      word ^= word << 13;
      word ^= word >>> 17;
      word ^= word << 5;
      words[at] = word;
    }
    return new Blob([new Uint8Array(words.buffer, 0, size)]);
  };
  globalThis.hashOf = async (blob) => {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
    return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  globalThis.makeDeltas = (options) =>
    makeUploader({ token, deltas: true, retry: { baseDelay: 20, maxDelay: 200 }, ...options });
  const nothingTold = () => ({ progress: [], states: [], conflicts: [], parts: [], activity: [] });
  globalThis.told = nothingTold();
  /** Uploads pieces as one file, and tells what became of it. */
  globalThis.uploadPieces = async (pieces, name, options, uploaderOptions) => {
    const uploader = await makeDeltas(uploaderOptions);
    const file = new File(pieces, name);
    const told = nothingTold();
    uploader.addEventListener("activity", ({ detail }) => told.activity.push(detail));
    const task = uploader.upload(file, options);
    Object.assign(globalThis, { task, told });
    task.addEventListener("progress", ({ detail }) => told.progress.push(detail));
    task.addEventListener("statechange", ({ detail }) => told.states.push(detail.state));
    task.addEventListener("parts", ({ detail }) =>
      told.parts.push({ ...detail, states: [...detail.states], state: task.state }),
    );
    task.addEventListener("conflict", ({ detail }) => told.conflicts.push(detail.fileId));
    try {
      const record = await task.done;
      await pause(0);
      const isExact = (await contentHash(record.fileId)) === (await hashOf(file));
      return { record, isExact, size: file.size, ...told };
    } catch ({ code, message }) {
      return { code, message, ...told };
    }
  };
  globalThis.MIB = MIB;
}
