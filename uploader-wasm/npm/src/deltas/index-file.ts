/** Makes a file's content index: one reading, in bounded memory. */
import { Indexer, crc64nvme } from "syncsphere_delta";

import { base64 } from "../base64.js";
import { UploadError } from "../errors.js";
import { chunks as piecesOf, readFailure } from "../read-blob.js";
import { ChunkDigests } from "./chunk-digests.js";
import { FAILURES } from "./failures.js";
import type { Cutting } from "./index-format.js";
import type { ContentIndex } from "./messages.js";

/**
 * The index of a file, cut as told, or by content at the level for its size. Rejects with `file_unreadable`, `file_changed`,
 * `unsupported` where it could have too many chunks, and `aborted` soon after the signal.
 */
export async function indexFile(
  file: Blob,
  cutting: Cutting | undefined,
  signal: AbortSignal,
  onProgress: (bytes: number) => void,
): Promise<ContentIndex> {
  const indexer = Indexer.begin(file.size, cutting?.kind === "grid", cutting?.level);
  if (!indexer) throw new UploadError(FAILURES.tooManyChunks);
  let digests;
  try {
    digests = await readThrough(file, indexer, signal, onProgress);
  } catch (error) {
    indexer.free();
    throw error;
  }
  // It is freed by this.
  const packed = indexer.finish(digests) as Uint8Array<ArrayBuffer>;
  const content = await crypto.subtle.digest("SHA-256", packed);
  return {
    packed,
    content: base64(new Uint8Array(content)),
    size: file.size,
    crc64nvme: checksumText(crc64nvme(packed)!),
  };
}

/** In base64, as S3 writes it. */
export function checksumText(checksum: bigint): string {
  const view = new DataView(new ArrayBuffer(BigUint64Array.BYTES_PER_ELEMENT));
  view.setBigUint64(0, checksum);
  return base64(new Uint8Array(view.buffer));
}

/** Has the indexer cut the file; gives the digests of its chunks. */
async function readThrough(
  file: Blob,
  indexer: Indexer,
  signal: AbortSignal,
  onProgress: (bytes: number) => void,
): Promise<Uint8Array> {
  const digests = new ChunkDigests();
  let read = 0;
  for await (const bytes of readable(piecesOf(file))) {
    if (signal.aborted) throw new UploadError(FAILURES.cancelled);
    for (let rest = bytes; rest.length > 0;) {
      const end = indexer.take(rest);
      await digests.append(rest.subarray(0, end));
      if (end === undefined) break;
      await digests.endChunk();
      rest = rest.subarray(end);
    }
    read += bytes.length;
    onProgress(read);
  }
  if (digests.isWithinChunk) await digests.endChunk();
  return digests.all();
}

/** The same, which fails by an `UploadError` where reading fails. */
async function* readable<Piece>(pieces: AsyncIterable<Piece>): AsyncGenerator<Piece, void> {
  try {
    yield* pieces;
  } catch (cause) {
    const failure = readFailure(cause);
    if (!failure) throw cause;
    throw new UploadError(failure === "file_changed" ? FAILURES.fileChanged : FAILURES.unreadable, { cause });
  }
}
