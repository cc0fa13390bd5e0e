/** Reading slices of files: their checksums, copies of them, and whether they can still be read at all. */
import { crc64nvme } from "syncsphere_uploader";

import type { ReadFailure } from "../messages.js";

/**
 * Bytes read at a time.
 *
 * Source: `docs/client.md`, measured: of seven ways to hash 1 GiB over six lanes, a BYOB reader over one 1 MiB
 * buffer was the fastest and took the least memory.
 */
const CHUNK_SIZE = 1024 * 1024;

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
 * A copy of a slice that needs its file no more. It is put together from chunks that the browser keeps, so that the
 * worker's own memory holds one at a time. `isWanted` and failures as with `checksumOf`.
 */
export async function copyOf(slice: Blob, isWanted: () => boolean): Promise<Blob> {
  const copies: Blob[] = [];
  for (let at = 0; at < slice.size && isWanted(); at += CHUNK_SIZE)
    copies.push(new Blob([await read(slice, at)]));
  return new Blob(copies);
}

/** Rejects where a slice cannot be read any more. Costs one small read. */
export async function checkReadable(slice: Blob): Promise<void> {
  await read(slice.slice(0, 1), 0);
}

/**
 * What an error of reading means; `undefined` for what is no such error. A file that was edited cannot be read any
 * more: browsers keep the size and time that it had.
 *
 * Source: File API, section "Reading a file": <https://www.w3.org/TR/FileAPI/#dfn-error-codes>
 */
export function readFailure(error: unknown): ReadFailure | undefined {
  if (!(error instanceof DOMException)) return undefined;
  const isGone = ["NotFoundError", "NotAllowedError", "SecurityError"].includes(error.name);
  return isGone ? "file_unreadable" : "file_changed";
}

/** A slice's bytes in order, by a stream as far as the browser can. Each chunk is good until the next is asked for. */
async function* chunks(slice: Blob): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  let at = 0;
  if (slice.size > CHUNK_SIZE) {
    let reader: ReadableStreamBYOBReader | undefined;
    try {
      reader = slice.stream().getReader({ mode: "byob" });
      while (at < slice.size) {
        const buffer = spareBuffer ?? new ArrayBuffer(CHUNK_SIZE);
        spareBuffer = undefined;
        const { done, value } = await reader.read(new Uint8Array(buffer));
        if (done) break;
        at += value.length;
        yield value;
        spareBuffer = value.buffer;
      }
    } catch {
      // WebKit's streams fail on large files, and older browsers have no BYOB readers of blobs: the chunks below go on
      // where the stream ended.
    } finally {
      // A stream that has failed already rejects; nobody needs to hear of it.
      reader?.cancel().catch(() => {});
    }
  }
  while (at < slice.size) {
    const chunk = await read(slice, at);
    at += chunk.length;
    yield chunk;
  }
}

/** The chunk of a slice that begins there. */
async function read(slice: Blob, at: number): Promise<Uint8Array<ArrayBuffer>> {
  const end = Math.min(at + CHUNK_SIZE, slice.size);
  const bytes = new Uint8Array(await slice.slice(at, end).arrayBuffer());
  if (bytes.length < end - at) throw new DOMException("the file has become shorter", "NotReadableError");
  return bytes;
}
