/** Reading slices of files: their checksums, copies of them, and whether they can still be read at all. */
import { Md5Digest, crc64nvme } from "syncsphere_uploader";

import { CHUNK_SIZE, chunks, read } from "../read-blob.js";

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

/**
 * Rejects where a slice cannot be read any more, to its end: a file that became shorter can be read at its beginning.
 * Costs one small read.
 */
export async function checkReadable(slice: Blob): Promise<void> {
  await read(slice.slice(-1), 0);
}
