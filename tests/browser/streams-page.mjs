// Streams in a page, and what tests of them call there.

import { equip, openPackage } from "./package-page.mjs";

/** The demo page with what tests of streams call in it. */
export async function openStreams(stack, t) {
  const page = await openPackage(stack, t);
  await page.evaluate(provide);
  return page;
}

/** The next page after one that went without a word. */
export async function reopenStreams(page) {
  await page.reload();
  await equip(page);
  await page.evaluate(provide);
}

async function provide() {
  globalThis.streams = await import("/uploader/streams.js");
  globalThis.pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  globalThis.noise = (size) => {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
    return bytes;
  };
  globalThis.hashOf = async (bytes) => {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  /** What is offered, once the browser has let go of it. */
  globalThis.interrupted = async () => {
    for (;;) {
      const found = await streams.interruptedStreams();
      if (found.length > 0) return found;
      await pause(20);
    }
  };
  /** The folder in which streams are kept. */
  const folder = async () =>
    (await navigator.storage.getDirectory()).getDirectoryHandle("syncsphere-uploader", { create: true });
  globalThis.kept = async () => {
    const names = [];
    for await (const name of (await folder()).keys()) names.push(name);
    return names.length;
  };
  /** What is written down of the only upload of a stream. */
  const noteOfUpload = async () => {
    for await (const [name, file] of (await folder()).entries())
      if (name.endsWith(".json")) return JSON.parse(await (await file.getFile()).text());
    return undefined;
  };
  /** Has the coordinator give that upload up. */
  globalThis.giveUp = async () => {
    const { uploadId } = (await noteOfUpload()).upload;
    const headers = { authorization: `Bearer ${await guestToken()}` };
    const { status } = await fetch(`/v1/uploads/${uploadId}`, { method: "DELETE", headers });
    if (status !== 200) throw new Error(`not given up: ${status}`);
  };
  /** Begins the upload of a stream that grows by `live.push` until `live.end`. */
  globalThis.goLive = async (options, uploaderOptions) => {
    const retry = { baseDelay: 20, maxDelay: 200 };
    const uploader = await makeUploader({ retry, ...uploaderOptions });
    const pieces = [];
    const told = [];
    let source;
    const stream = new ReadableStream({ start: (controller) => void (source = controller) });
    const upload = streams.uploadStream(uploader, stream, { name: "live.bin", ...options });
    upload.addEventListener("sent", ({ detail }) => told.push(detail.bytes));
    globalThis.live = {
      upload,
      told,
      push(size) {
        pieces.push(noise(size));
        source.enqueue(pieces.at(-1));
      },
      end: () => source.close(),
      hash: async () => hashOf(await new Blob(pieces).arrayBuffer()),
      /** Ends the stream; tells what became of it. */
      async finish() {
        source.close();
        const record = await upload.done;
        await uploader.close();
        const hashes = [await contentHash(record.fileId), await live.hash()];
        return { record, hashes, told, isWhole: upload.task !== undefined, left: await kept() };
      },
    };
  };
}
