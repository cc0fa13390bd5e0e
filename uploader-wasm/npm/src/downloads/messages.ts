/** What the page and the worker that downloads say to each other. */
import type { Failure } from "../messages.js";
import type { PrivatePath } from "../private-file.js";
import type { FromWorker } from "../worker-orders.js";

export type ToDownloadWorker = { id: number } & DownloadOrder;

/** What the worker is told to do. */
export type DownloadOrder =
  /** Once, before all others. */
  | { type: "open"; place: PostedPlace; size: number }
  | ({ type: "range" } & RangeOrder)
  | ({ type: "copy" } & CopyOrder)
  /** Replaces what another file of the private file system has. */
  | { type: "note"; path: PrivatePath; text: string }
  /** Ends what is under way; a picked file gets its content only where that `isProven`. */
  | { type: "close"; isProven: boolean };

/** Where the bytes go: private files by their names, for not every browser can post a file's handle. */
export type PostedPlace = { path: PrivatePath } | { handle: FileSystemFileHandle };

/** One range to be fetched and written, each byte at its place. */
export interface RangeOrder {
  url: string;
  at: number;
  length: number;
  /** Of the whole file. */
  size: number;
}

/** One range that is taken from a file of this machine. */
export interface CopyOrder {
  content: Blob;
  at: number;
}

/** Of a range: what was written is on the disk. None where its content cannot be read any more. */
export interface RangeAnswer {
  /** CRC64NVME in base64. */
  checksum: string;
  /** Where the bucket exposes it. */
  etag?: string;
}

/** News are the bytes of a range that have been written so far. */
export type FromDownloadWorker = FromWorker<RangeAnswer | undefined, Failure, number>;
