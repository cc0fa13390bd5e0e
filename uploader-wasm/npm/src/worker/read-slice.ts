/** Reading slices of files: their checksums, copies of them, and whether they can still be read at all. */
import { Md5Digest, crc64nvme } from "syncsphere_uploader";

import type { ReadFailure } from "../messages.js";

/**
 * Bytes read at a time.
 *
 * Source: `docs/client.md`, measured: of seven ways to hash 1 GiB over six lanes, a BYOB reader over one 1 MiB
 * buffer was the fastest and took the least memory.
 */
const CHUNK_SIZE = 1024 * 1024;

/**
 * Bytes of a slice that are streamed at a time where a stream is read whole, whoever waits for it.
 *
 * Source: measured, `docs/browsers.md`: 63 MB above idle instead of 175 for 6 GiB.
 */
const STREAM_SIZE = 4 * CHUNK_SIZE;

/** Whether streams fill a buffer of ours, and are read no further than that. */
let fillsOurBuffer = true;

/** The buffer that a stream's reader fills, used over and over, while no reader has it. */
let spareBuffer: ArrayBuffer | undefined;

/**
 * The CRC64NVME of a slice. `isWanted` is asked after each chunk; once it says no, reading ends, and what it gives is
 * of no use. Rejects where the slice cannot be read: `readFailure` says why.
 */
export async function checksumOf(slice: Blob, isWanted: () => boolean): Promise<bigint> {
  let checksum = 0n;
  for await (const chunk of chunks(slice)) {
    if (!isWanted()) break;
    checksum = crc64nvme(checksum, chunk);
  }
  return checksum;
}

/** The MD5 of a slice, as `checksumOf` gives its CRC64NVME. */
export async function digestOf(slice: Blob, isWanted: () => boolean): Promise<Uint8Array> {
  const digest = new Md5Digest();
  try {
    for await (const chunk of chunks(slice)) {
      if (!isWanted()) break;
      digest.update(chunk);
    }
    return digest.finish();
  } finally {
    digest.free();
  }
}

/**
 * Bytes that a lane hashes to warm up.
 *
 * Source: measured, `docs/client.md`: V8 has replaced the module's first, slow code by then.
 */
const WARM_UP_BYTES = 4 * CHUNK_SIZE;

/**
 * Computes a checksum that nobody asked for, so that the first one that somebody waits for is computed at full speed.
 * It ends early once `isBusy` says that there is real work. Never rejects.
 */
export async function warmUp(isBusy: () => boolean): Promise<void> {
  await checksumOf(new Blob([new Uint8Array(WARM_UP_BYTES)]), () => !isBusy()).catch(() => {});
}

/**
 * A copy of a slice that needs its file no more: no `Blob`, for WebKit holds those twice, and until it collects garbage.
 * `isWanted` and failures as with `checksumOf`.
 */
export async function copyOf(slice: Blob, isWanted: () => boolean): Promise<ArrayBuffer> {
  const copy = new Uint8Array(slice.size);
  let at = 0;
  for await (const chunk of chunks(slice)) {
    if (!isWanted()) break;
    copy.set(chunk, at);
    at += chunk.length;
  }
  return copy.buffer;
}

/** Ends a buffer that nobody needs any more; older browsers keep its memory until they collect garbage. */
export function giveBack(buffer: ArrayBuffer & { transfer?(length: number): unknown }): void {
  buffer.transfer?.(0);
}

/**
 * Rejects where a slice cannot be read any more, to its end: a file that became shorter can be read at its beginning.
 * Costs one small read.
 */
export async function checkReadable(slice: Blob): Promise<void> {
  await read(slice.slice(-1), 0);
}

/** A file has other bytes than it had: its size or its content says so. */
export class FileChanged extends Error {}

/**
 * What an error of reading means; `undefined` for what is no such error. The names that browsers give to it mean a file
 * that was edited in one and one that is gone in another, so none of them is proof of an edit: `edit-evidence.ts` is.
 */
export function readFailure(error: unknown): ReadFailure | undefined {
  if (error instanceof FileChanged) return "file_changed";
  return error instanceof DOMException ? "file_unreadable" : undefined;
}

/** A slice's bytes in order, by a stream as far as the browser can. Each chunk is good until the next is asked for. */
async function* chunks(slice: Blob): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  let at = 0;
  try {
    while (slice.size - at > CHUNK_SIZE) {
      for await (const chunk of streamed(slice.slice(at, fillsOurBuffer ? slice.size : at + STREAM_SIZE))) {
        at += chunk.length;
        yield chunk;
      }
    }
  } catch {
    // Streams of large files fail in older WebKit: the chunks below go on where the stream ended.
  }
  while (at < slice.size) {
    const chunk = await read(slice, at);
    at += chunk.length;
    yield chunk;
    giveBack(chunk.buffer);
  }
}

/** The same by a stream alone; throws where there is none. */
async function* streamed(slice: Blob): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const stream = slice.stream();
  let reader: ReadableStreamBYOBReader | undefined;
  try {
    try {
      reader = stream.getReader({ mode: "byob" });
    } catch {
      // WebKit has no such reader of blobs. Its other one gives chunks of its own, and is more than twice as fast as
      // `arrayBuffer()` of chunks. Source: measured, `docs/browsers.md`.
      fillsOurBuffer = false;
      reader = stream.getReader() as unknown as ReadableStreamBYOBReader;
    }
    for (let at = 0; at < slice.size;) {
      // The other reader looks at no argument.
      const view = fillsOurBuffer && new Uint8Array(takeSpareBuffer());
      const { done, value } = await reader.read(view as Uint8Array<ArrayBuffer>);
      if (done) throw new FileChanged();
      at += value.length;
      try {
        yield value;
      } finally {
        // Also where nobody wants the rest.
        if (fillsOurBuffer) spareBuffer = value.buffer;
        else giveBack(value.buffer);
      }
    }
  } finally {
    // A stream that has failed already rejects; nobody needs to hear of it.
    reader?.cancel().catch(() => {});
  }
}

function takeSpareBuffer(): ArrayBuffer {
  const buffer = spareBuffer ?? new ArrayBuffer(CHUNK_SIZE);
  spareBuffer = undefined;
  return buffer;
}

/** The chunk of a slice that begins there. */
async function read(slice: Blob, at: number): Promise<Uint8Array<ArrayBuffer>> {
  const end = Math.min(at + CHUNK_SIZE, slice.size);
  const bytes = new Uint8Array(await slice.slice(at, end).arrayBuffer());
  // The file has become shorter.
  if (bytes.length < end - at) throw new FileChanged();
  return bytes;
}
