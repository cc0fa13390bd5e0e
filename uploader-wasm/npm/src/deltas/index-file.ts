/** Makes a file's content index: one reading, in bounded memory. */
import { Indexer, crc64nvme } from "syncsphere_delta";

import { base64 } from "../base64.js";
import { UploadError } from "../errors.js";
import { chunks as piecesOf, readFailure } from "../read-blob.js";
import { checksumText } from "./checksum-text.js";
import { ChunkDigests } from "./chunk-digests.js";
import { FAILURES } from "./failures.js";
import type { IndexedFile, Indexing, IndexNews, Segment } from "./messages.js";
import { segmentsOf } from "./plan-segments.js";

/**
 * The index of a file, cut as told, or by content at the level for its size; with a base also the segments of its plan that
 * were not told. Rejects with `file_unreadable`, `file_changed`, `unsupported` where it could have too many chunks,
 * `protocol_violation` where another's index is none, and `aborted` soon after the signal.
 */
export async function indexFile(
  file: Blob,
  { cutting, base, known = [] }: Indexing,
  signal: AbortSignal,
  tell: (news: IndexNews) => void,
): Promise<IndexedFile> {
  const indexer = Indexer.begin(file.size, cutting?.kind === "grid", cutting?.level);
  if (!indexer) throw new UploadError(FAILURES.tooManyChunks);
  let rest;
  try {
    if (base && !indexer.compare(base)) throw new UploadError(FAILURES.badIndex);
    if (!known.every((packed) => indexer.expect(packed))) throw new UploadError(FAILURES.badIndex);
    rest = await readThrough(file, indexer, signal, tell);
  } catch (error) {
    indexer.free();
    throw error;
  }
  // It is freed by this.
  const packed = indexer.finish() as Uint8Array<ArrayBuffer>;
  const content = await crypto.subtle.digest("SHA-256", packed);
  const index = {
    packed,
    content: base64(new Uint8Array(content)),
    size: file.size,
    crc64nvme: checksumText(crc64nvme(packed)!),
  };
  return base ? { ...index, rest } : index;
}

/** Has the indexer cut and plan the file. Gives the segments that were not told. */
async function readThrough(
  file: Blob,
  indexer: Indexer,
  signal: AbortSignal,
  tell: (news: IndexNews) => void,
): Promise<Segment[]> {
  const digests = new ChunkDigests();
  const segments: Segment[] = [];
  const take = (chunks: Uint8Array[]) => {
    for (const digest of chunks) segments.push(...segmentsOf(indexer.digest(digest)!));
  };
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
    take(digests.known());
    if (indexer.isNew && segments.length > 0) tell({ segments: segments.splice(0) });
    read += bytes.length;
    tell({ read });
  }
  if (digests.isWithinChunk) await digests.endChunk();
  indexer.end();
  take(await digests.rest());
  return [...segments, ...segmentsOf(indexer.rest())];
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
