/**
 * What page, conductor and lanes say to each other. A worker's first message is `StartMessage`; from then on
 * the conductor hears `ToConductor` and says `ToPage`, and each lane talks to the conductor over a
 * port of its own.
 */
import type { PlainRequest } from "./coordinator-fetch.js";
import type {
  Activity,
  Change,
  InterruptedUpload,
  PartStates,
  Progress,
  RetryOptions,
  TaskState,
  UploadElsewhere,
  UploadErrorCode,
  UploadErrorReason,
} from "./types.js";

export type StartMessage =
  | {
      type: "start";
      role: "conductor";
      module: WebAssembly.Module;
      lanes: MessagePort[];
      options: ConductorOptions;
    }
  | {
      type: "start";
      role: "lane";
      module: WebAssembly.Module;
      conductor: MessagePort;
      bodies: BodySource;
    };

/** What lanes send: slices of the file itself, or copies of them in memory. */
export type BodySource = "file" | "memory";

/** The page's options as far as the conductor needs them; absent ones take the engine's defaults. */
export interface ConductorOptions {
  /** Absolute, without a slash at its end. */
  endpoint: string;
  concurrency?: number;
  partSize?: number;
  integrity?: "crc64nvme" | "none";
  retry?: RetryOptions;
  maxRate?: number;
  persist: boolean;
  /** What lanes send; set when the workers start. */
  bodies?: BodySource;
  headers?: Record<string, string>;
  credentials?: RequestCredentials;
  /** Whether the page has a `fetch` of its own for the coordinator. */
  ownFetch: boolean;
}

/** What the page knows of a file besides its bytes. */
export interface FileDescription {
  name: string;
  contentType: string;
  lastModified?: number;
  path?: string;
  metadata?: Record<string, string>;
  /** The media type, where the page chose another than the file's own. */
  chosenType?: string;
  /** Whether `name` is the page's choice and not the file's own. */
  renamed: boolean;
  priority?: number;
  /** Id of the file that it becomes the next version of; with a `?` behind it, where that is still there. */
  base?: string;
}

export type ToConductor =
  | { type: "add"; task: number; file: Blob; handle?: FileSystemFileHandle; description: FileDescription }
  | { type: "restore"; task: number; uploadId: string; file: Blob; description: FileDescription }
  | { type: "pause" | "resume" | "abort"; task: number }
  /** To hear `parts` of a task, or of task 0, which is none, `activity`; and not to hear it any more. */
  | { type: "watch" | "unwatch"; task: number }
  | { type: "prioritize"; task: number; priority: number }
  | { type: "maxRate"; rate: number | undefined }
  | { type: "network"; online: boolean }
  | { type: "token"; id: number; answer: TokenAnswer }
  /** Answers `fetch`; without a reply where it failed. */
  | { type: "fetched"; id: number; reply: { status: number; text: string } | undefined }
  | { type: "subscribe"; feed: number; since?: number }
  | { type: "unsubscribe"; feed: number }
  | { type: "interrupted"; id: number }
  | { type: "reopen"; id: number; uploadId: string }
  | { type: "discard"; id: number; uploadId: string }
  | { type: "close" };

/** `offline`: the page could not get one, perhaps for want of a network, and may be asked again. */
export type TokenAnswer = { token: string } | { offline: boolean };

/** The errors that end an upload, in a form that can be posted. */
export interface Failure {
  code: UploadErrorCode;
  reason?: UploadErrorReason;
  message: string;
  retryable: boolean;
  resumable?: boolean;
  uploadId?: string;
  requestId?: string;
  status?: number;
}

/** The last word on a task is `available`, `failed`, or the state `aborted`. */
export type ToTask =
  | { type: "state"; task: number; state: TaskState }
  | { type: "progress"; task: number; progress: Progress }
  | { type: "parts"; task: number; parts: PartStates }
  | { type: "available"; task: number; record: string }
  | { type: "failed"; task: number; failure: Failure };

export type ToPage =
  | ToTask
  /** An upload of another page, under a number that is below zero here; where pages share their uploads. */
  | { type: "task"; task: number; name: string; size: number }
  | { type: "token"; id: number }
  | { type: "fetch"; id: number; url: string; init: PlainRequest }
  | { type: "cancelFetch"; id: number }
  | { type: "activity"; activity: Omit<Activity, "rate"> }
  | { type: "change"; feed: number; change: Change }
  | { type: "feedLive"; feed: number; live: boolean }
  | { type: "feedFailed"; feed: number; failure: Failure }
  | { type: "answer"; id: number; value: InterruptedUpload[] | ReopenedUpload | boolean | undefined }
  | { type: "elsewhere"; uploads: UploadElsewhere[] }
  | { type: "log"; level: "debug" | "warn"; message: string };

/** `closed` answers `close`, and goes to whoever ends the workers. */
export type FromConductor = ToPage | { type: "closed" };

/** Answers `reopen`: an interrupted upload that no tab has taken up. */
export interface ReopenedUpload {
  name: string;
  size: number;
  /** Bytes that storage held when it was last kept. */
  loaded: number;
  handle?: FileSystemFileHandle;
  path?: string;
  metadata?: Record<string, string>;
  chosenType?: string;
  renamed: boolean;
}

/**
 * `slice` is the part of the file that is meant, and has `length` bytes unless the file has become shorter. A lane never
 * gets the whole file: in Firefox one that is in memory and larger than 16 MiB can be read by the first lane alone.
 */
export type ToLane =
  | { type: "hash"; attempt: bigint; slice: Blob; length: number; md5: boolean }
  | { type: "cancel"; attempt: bigint }
  | {
      type: "send";
      attempt: bigint;
      slice: Blob;
      length: number;
      method: string;
      url: string;
      /** Names and values in turn. */
      headers: string[];
      /** Names and values in turn, for a form. */
      fields: string[];
    };

/** Why a slice cannot be read: its file is not what it was when the page got it, or the browser does not let us. */
export type ReadFailure = "file_changed" | "file_unreadable";

export type FromLane =
  | { type: "hashed"; attempt: bigint; crc64nvme: bigint }
  | { type: "digested"; attempt: bigint; md5: Uint8Array }
  | { type: "sent"; attempt: bigint; loaded: number }
  /** `protocol` is the one that carried the part, as ALPN names it, where the browser tells. */
  | { type: "stored"; attempt: bigint; protocol: string | undefined; hidesEtag: boolean }
  | {
      type: "attemptFailed";
      attempt: bigint;
      failure: "network" | "refused" | ReadFailure;
      /** HTTP status; 0 where there was no answer. */
      status: number;
      /** The start of the answer's body. */
      body: string;
      /** `Retry-After` in seconds, where it was readable. */
      retryAfter: number | undefined;
      /** The name of the browser's error, where the slice could not be read. */
      error?: string;
    };
