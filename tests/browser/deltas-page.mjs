// Uploads that send only what changed, in a page, and what tests of them call there.

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

async function provide() {
  const MIB = 1024 * 1024;
  /** All uploaders are one subject's: others' files are taken nothing from. */
  const token = await guestToken();
  globalThis.ownToken = async () => token;
  globalThis.pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  globalThis.noise = (size) => {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
    return new Blob([bytes]);
  };
  globalThis.hashOf = async (blob) => {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
    return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  globalThis.makeDeltas = (options) =>
    makeUploader({ token, deltas: true, retry: { baseDelay: 20, maxDelay: 200 }, ...options });
  /** Uploads pieces as one file, and tells what became of it. */
  globalThis.uploadPieces = async (pieces, name, options, uploaderOptions) => {
    const uploader = await makeDeltas(uploaderOptions);
    const file = new File(pieces, name);
    const told = { progress: [], states: [], conflicts: [], parts: [], activity: [] };
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
