/** What the page and the worker that indexes files say to each other. */
import type { Failure } from "../messages.js";
import type { FromWorker } from "../worker-orders.js";
import type { Cutting } from "./index-format.js";

/** A file's content index, as docs/api.md packs it. */
export interface ContentIndex {
  packed: Uint8Array<ArrayBuffer>;
  /** The content id: SHA-256 of `packed`, in base64. */
  content: string;
  /** Bytes of the file. */
  size: number;
  /** Of the whole file, in base64. */
  crc64nvme: string;
}

/** A part of the new file. With `from` it is the range of the old one that begins there. */
export interface Segment {
  offset: number;
  /** Bytes. */
  length: number;
  /** In base64. */
  crc64nvme: string;
  from?: number;
}

export type ToDeltaWorker = { id: number } & DeltaOrder;

/** What the worker is told to do. */
export type DeltaOrder =
  /** Under a number of the page's, by which it is cancelled. */
  | { type: "index"; run: number; file: Blob; cutting: Cutting | undefined }
  /** Nobody waits for that index any more. */
  | { type: "cancel"; run: number }
  | { type: "plan"; base: Uint8Array; next: Uint8Array };

export type DeltaAnswer = { index: ContentIndex } | { segments: Segment[] } | undefined;

/** News are the bytes of the file that have been read so far. */
export type FromDeltaWorker = FromWorker<DeltaAnswer, Failure, number>;
