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

/** How a file is indexed. */
export interface Indexing {
  /** By content at the level for its size where it is absent. */
  cutting: Cutting | undefined;
  /** The packed index of the file that it is planned against; cut in the same way. */
  base?: Uint8Array | undefined;
  /** Packed indexes of the files of its size that it may be the same as: no segment is told while it may. */
  known?: Uint8Array[] | undefined;
}

/** A file's content index. */
export interface IndexedFile extends ContentIndex {
  /** Where it was planned against a base: its segments after those that were told. */
  rest?: Segment[];
}

/** What is told of an index in the making. */
export type IndexNews =
  /** So many bytes of the file have been read. */
  | { read: number }
  /** The segments that follow, as many as no longer grow. */
  | { segments: Segment[] };

export type ToDeltaWorker = { id: number } & DeltaOrder;

/** What the worker is told to do. */
export type DeltaOrder =
  /** Under a number of the page's, by which it is cancelled. */
  | ({ type: "index"; run: number; file: Blob } & Indexing)
  /** Nobody waits for that index any more. */
  | { type: "cancel"; run: number }
  | { type: "plan"; base: Uint8Array; next: Uint8Array };

export type DeltaAnswer = { index: IndexedFile } | { segments: Segment[] } | undefined;

export type FromDeltaWorker = FromWorker<DeltaAnswer, Failure, IndexNews>;
