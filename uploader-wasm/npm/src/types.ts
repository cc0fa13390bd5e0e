/**
 * The public types of `@syncsphere/uploader`, all in this one file.
 *
 * Sizes are bytes, times are milliseconds unless a name says otherwise, and moments are RFC 3339
 * text in UTC.
 */

/** How an `Uploader` works. Only `endpoint` and `token` are needed. */
export interface UploaderOptions {
  /** Address of the coordinator, for example `https://files.example.com`; relative to the page. */
  endpoint: string | URL;

  /**
   * The access token (a JWT), or a function that gives one. A function is called when the first
   * request needs a token and again whenever the coordinator no longer takes the last one, one call at a
   * time, however long it takes. Where it throws, it is called again later, for as long as an outage may
   * last: libraries fail in their own ways without a network. An error with `retryable: false`, and a result that
   * is no string, fails the uploads that wait for it with the code `unauthenticated`.
   */
  token: string | (() => string | Promise<string>);

  /**
   * Headers of every request to the coordinator, for a proxy before it; the uploader's own (`authorization`, `accept`,
   * `content-type`, `idempotency-key`) stay. Requests to storage do not have them, and the change feed's WebSocket cannot.
   * Another origin has to allow them by CORS.
   */
  headers?: HeadersInit;

  /** Whether cookies go with requests to the coordinator, as `fetch` has it. Default: `"same-origin"`. */
  credentials?: RequestCredentials;

  /**
   * Sends the requests to the coordinator, in the page: for tests and tracing. It is called as `fetch` is, with an address
   * and options; the answer's `status` and `text()` are used. Default: `fetch`, in a worker.
   */
  fetch?: (url: string, init: RequestInit) => Promise<Pick<Response, "status" | "text">>;

  /**
   * Most requests to storage at a time, over all files of this uploader: a number, or `"adaptive"` for as
   * many as the network rewards, up to the browser's six connections to each of storage's addresses over HTTP/1.1,
   * and twelve requests in all. Default: `"adaptive"`.
   */
  concurrency?: number | "adaptive";

  /**
   * Size of each part in bytes, 5 MiB to 5 GiB. Default: planned from the file's size; files up to
   * 16 MiB go as one request.
   */
  partSize?: number;

  /**
   * `"crc64nvme"`: each part's checksum is signed into its URL, so that storage refuses damaged
   * bytes, and the whole file's checksum is compared at the end; by MD5 where storage knows no
   * CRC64NVME (the coordinator's `S3_CHECKSUM`). `"none"`: no checksums, which
   * saves reading the file twice. Default: `"crc64nvme"`.
   */
  integrity?: "crc64nvme" | "none";

  /** When to try again and when to give up. */
  retry?: RetryOptions;

  /**
   * Most bytes a second, over all files of this uploader: a whole number. `Uploader.maxRate` changes it later. No browser
   * sends a request slower than it can, so the next one is begun later: over any time, what is sent differs from the
   * limit by about one request. A request carries 5 MiB or, if that is more, what the limit lets through in 250 ms, and
   * whole files below: from 20 MB/s on, and for small files, that is within 5 % of the limit over 5 s; at 2 MB/s over a
   * minute. Bytes of failed requests count. Default: as many as the network carries.
   */
  maxRate?: number;

  /**
   * Whether files of 16 MiB and more send only what the workspace does not have of them yet: a file that this subject has
   * uploaded before is not sent again, and of the next version of one, by the same name in the same folder, what has not changed is
   * copied by storage. The script for it is loaded on use. A file that there is something to take from is read once before its
   * first byte is sent; such an upload is in the page (not `shared`), `priority` and `maxRate` count for nothing in it, and a
   * later page does not go on with it, but begins anew. `/inline` sends whole files. Default: `false`.
   */
  deltas?: boolean;

  /**
   * Whether unfinished uploads are remembered in IndexedDB, so that a later page can `continue`
   * them. Only state is kept, never content. Default: `true`.
   */
  persist?: boolean;

  /**
   * Whether the screen is kept on while uploads move, where the browser can (Screen Wake Lock): a telephone whose screen
   * goes dark stops its pages. Default: where the page is steered by a finger.
   */
  wakeLock?: boolean;

  /**
   * How many lane workers read, checksum and send, 1 to 16. Default: 2 to 4, one less than the
   * processors that the browser reports.
   */
  workers?: number;

  /**
   * Whether the pages of a site share their uploads: they run in a `SharedWorker`, and go on while a person walks from page to
   * page, or closes one of two tabs. Each page sees all of them (`Uploader.tasks`, the event `task`) and may give orders for
   * each; `close()` and leaving end nothing as long as another page is there or the next one comes soon. Pages share
   * where `endpoint` and the other options are the same, but for `token`, `maxRate`, `logger`, `fetch` and where files are,
   * and where their tokens stand for the same: all claims but `exp`, `nbf`, `iat` and `jti`. Tokens come from
   * whichever page is there. Where it cannot be (no `SharedWorker`, `createWorker`, `wasmModule`, `/inline`), each page has
   * workers of its own, and `logger` is told why. One worker reads and sends here: `workers` counts for nothing.
   * Default: `false`.
   */
  shared?: boolean;

  /**
   * Makes a worker that runs this package's `worker.js`; called once for the conductor and once for
   * each lane. For bundlers that need to see `new Worker(…)` in your own code.
   */
  createWorker?: () => Worker;

  /** Where `worker.js` is, if not beside this package's script. */
  workerUrl?: string | URL;

  /** Where `shared-worker.js` is, if not beside this package's script: on the page's own origin. */
  sharedWorkerUrl?: string | URL;

  /**
   * Where `delta-worker.js` is, if not beside this package's script. One of another host is imported by a `blob:` worker, if
   * the page's Content Security Policy lets it.
   */
  deltaWorkerUrl?: string | URL;

  /** Where the `.wasm` file is, if not beside this package's script. */
  wasmUrl?: string | URL;

  /** The compiled `.wasm` file, if the page has it already or compiles it itself; then nothing is fetched. */
  wasmModule?: WebAssembly.Module | Promise<WebAssembly.Module>;

  /** Where messages for developers go. They carry no signed URL, token or file name. Default: nowhere. */
  logger?: Logger;

  /**
   * Where request bodies come from, if not from where this browser sends them well.
   * @internal
   */
  bodies?: "file" | "memory";
}

/** When to try again and when to give up. */
export interface RetryOptions {
  /** Attempts for one part or request, the first included. Default: 8. */
  maxAttempts?: number;
  /** Longest wait before the second attempt, in ms; it doubles with each further one. Default: 500. */
  baseDelay?: number;
  /** Longest wait between two attempts, in ms. Default: 20,000. */
  maxDelay?: number;
  /**
   * How long coordinator or storage may be out of reach, in ms, while the browser believes itself
   * online. Without a network an upload waits for as long as it takes. Default: 3,600,000.
   */
  outagePatience?: number;
}

/** Receives messages for developers; `console` fits. */
export interface Logger {
  debug(message: string): void;
  warn(message: string): void;
}

/** What can be uploaded. A handle lets an interrupted upload go on without asking for the file. */
export type Uploadable = File | Blob | FileSystemFileHandle;

/** Options of one upload. */
export interface UploadOptions {
  /** Name of the file. Default: the file's own; a `Blob` without one is called `blob`. */
  name?: string;
  /** Folder inside the workspace, slash separated. Default: the root. */
  path?: string;
  /**
   * Anything to keep with the file. Copied when the upload starts; a value that is no text fails this upload with
   * `invalid_request`, and no other.
   */
  metadata?: Record<string, string>;
  /**
   * Media type to store the file with. Default: the file's own `type`. Extra spaces and unusable parameters are dropped;
   * what is no media type at all is stored as `application/octet-stream`.
   */
  contentType?: string;
  /**
   * A whole number from -1000 to 1000: files of a higher one go first, those of the same in turn, as `UploadTask.priority`
   * changes it later. So that nothing waits for ever, one request in eight is of the file that came first. Default: 0.
   */
  priority?: number;
  /**
   * Id of the file that this one becomes the next version of, whatever that is called: what has not changed is not sent
   * (`UploaderOptions.deltas`). The upload fails with `not_found` where there is no such file.
   */
  base?: string;
  /** Aborts the upload; `done` then rejects with the signal's reason as `cause`. */
  signal?: AbortSignal;
}

/** Options of `Uploader.uploadAll`; those of an upload hold for each file. */
export interface UploadAllOptions extends UploadOptions {
  /** Folder inside the workspace; the folders that were picked or dropped lie below it. Default: the root. */
  path?: string;
  /** Whether `.DS_Store` and `Thumbs.db` of a folder are uploaded too. Default: `false`. */
  systemFiles?: boolean;
}

/**
 * The state of an upload.
 *
 * - `queued`: waits for its turn
 * - `uploading`: bytes are on their way
 * - `paused`: stopped by `pause()`
 * - `offline`: waits for the network, the coordinator or storage to come back
 * - `completing`: all bytes are stored; the coordinator checks and finalizes
 * - `available`, `failed`, `aborted`: the end
 */
export type TaskState =
  "queued" | "uploading" | "paused" | "offline" | "completing" | "available" | "failed" | "aborted";

/** How far an upload is, or all uploads of an `Uploader` together. */
export interface Progress {
  /** Bytes stored or handed to the network; never falls. */
  loaded: number;
  /** Size of the file, or of all files. */
  total: number;
  /** Smoothed speed in bytes a second. */
  rate: number;
  /** Seconds left at that speed, or `null` while there is none to tell from. */
  etaSeconds: number | null;
  /** Of `loaded`, what was not sent, since storage had it already; of one upload that sends only what changed. */
  copied?: number;
  /** Of `copied`, what storage did not copy either: the whole of a file that refers to the content of another. */
  skipped?: number;
}

/** What the engine does at the moment, for all uploads of an `Uploader` together. */
export interface Activity {
  /** Requests to storage that may be under way at a time: what the network rewards; 0 or 1 while storage is down. */
  window: number;
  /** Requests to storage that are under way. */
  inFlight: number;
  /** Parts that are ready to be sent and wait for a request to end. */
  waiting: number;
  /** Smoothed speed of all uploads in bytes a second. */
  rate: number;
  /** Requests to storage that failed and were, or will be, repeated, since the uploader was made. */
  retries: number;
  /** Requests to storage that were sent to overtake a late one, since then. */
  hedges: number;
  /** Of uploads that send only what changed, which are in no other figure but `rate`; absent before the first. */
  deltas?: DeltaActivity;
}

/** What is done for uploads that send only what changed, for all of an `Uploader` together. */
export interface DeltaActivity {
  /** Parts that are being sent. */
  sending: number;
  /** Parts that storage is asked to copy. */
  copying: number;
  /** Bytes that were sent, since the uploader was made. */
  sent: number;
  /** Bytes that storage has copied, since then. */
  copied: number;
  /** Bytes of files that refer to the content of others, since then. */
  skipped: number;
}

/** Where the parts of an upload stand. */
export interface PartStates {
  /**
   * Size of the first part in bytes; large files end in smaller parts. It may change once, early, if the coordinator
   * plans otherwise.
   */
  partSize: number;
  /**
   * One number a part, in the order of the file: 0 waits, 1 is under way, 2 is under way twice since the first
   * request was late, 3 is stored, 4 is stored and was not sent: storage had it already, and has copied it. A part that
   * failed goes back to 0. Files of a single request, empty ones too, have one part; no file has more than 10,000.
   */
  states: Uint8Array;
  /**
   * Bytes of each part; only of uploads that send only what changed, whose parts are of any size. While such a file is still
   * read, the last one is what has not been read yet, and is in no parts so far.
   */
  sizes?: number[];
}

/** The events of an `UploadTask`. */
export interface UploadTaskEventMap {
  /** At most ten times a second. */
  progress: CustomEvent<Progress>;
  /** Once for each change of state. */
  statechange: CustomEvent<{ state: TaskState }>;
  /**
   * At most four times a second, when a part has changed its state, and once at the beginning; the last, just before
   * the state `available`, has all stored. Work is done for it only while somebody listens. An upload that sends only what
   * changed tells its parts once the file has been compared.
   */
  parts: CustomEvent<PartStates>;
  /**
   * Right after the end, of a file that is the next version of another: `fileId` became the next version of that before.
   * Both are kept.
   */
  conflict: CustomEvent<{ fileId: string }>;
}

/** Where a file of the workspace stands. */
export type FileStatus = "uploading" | "available" | "aborted" | "expired" | "deleted";

/** A file of the workspace. */
export interface FileRecord {
  fileId: string;
  workspace: string;
  /** In Unicode NFC, with symbols in the place of control characters. */
  name: string;
  /** The name with its control characters, where it has some. */
  originalName?: string;
  /** Folder, slash separated, empty for the root. */
  path: string;
  size: number;
  contentType: string;
  status: FileStatus;
  /**
   * Of the whole content, as storage reports it, in base64: CRC64NVME, 8 big-endian bytes, or where storage proves content
   * by MD5 that of a file which came in one request.
   */
  checksum: { crc64nvme?: string; md5?: string };
  etag?: string;
  /** Subject of the token that uploaded it. */
  owner: string;
  metadata: Record<string, string>;
  createdAt: string;
  updatedAt: string;
  /** Sequence number of the file's latest change. */
  seq: number;
  /** Which version of its file it is; given when it becomes available. An available file without one is the first. */
  version?: number;
  /** `fileId` of the version that it was made from. */
  previous?: string;
  /** `fileId` of the version that became available after `previous` and before this one: somebody else was first. Both are kept. */
  conflict?: string;
}

/** An upload that an earlier page left unfinished. */
export interface InterruptedUpload {
  uploadId: string;
  name: string;
  size: number;
  /** Bytes that storage had taken. */
  loaded: number;
  /** Whether `continue` must be given the file; otherwise a stored handle is reopened. */
  needsFile: boolean;
}

/** An upload of the token's subject that has not ended, on whatever machine it was begun. */
export interface OpenUpload {
  uploadId: string;
  /** Its file as the workspace knows it: name, size, folder, metadata. */
  file: FileRecord;
  /** When it is given up unless it is completed. */
  expiresAt: string;
  /** By which checksums storage proves content. */
  checksum: "crc64nvme" | "md5" | "none";
  /** Whether this browser has it, where uploads are remembered (`persist`): in `tasks`, `elsewhere` or `interrupted()`. */
  keptHere: boolean;
}

/**
 * An upload that another tab, or another `Uploader` of this one, is busy with. It leaves the list when
 * it ends and also when its tab does: then it is among the interrupted ones.
 */
export interface UploadElsewhere {
  uploadId: string;
  name: string;
  /** `paused` also where the browser has frozen the other tab. */
  state: TaskState;
  progress: Progress;
}

/** What happened to a file. */
export type ChangeKind =
  "file.uploading" | "file.available" | "file.aborted" | "file.expired" | "file.deleted";

/** An entry of the workspace's change feed, or the news that the feed no longer reaches back. */
export type Change =
  | {
      type: "change";
      /** Higher by one than that of the change before. */
      seq: number;
      kind: ChangeKind;
      /** The file right after the change. */
      file: FileRecord;
      at: string;
    }
  | {
      /** `since` is older than what is kept: read `Workspace.files` again; changes after `seq` follow. */
      type: "reset";
      seq: number;
    };

/** Options of `Uploader.changes`. */
export interface ChangesOptions {
  /** Sequence number of the last change known. Default: only changes from now on. */
  since?: number;
  /** Ends the iteration. */
  signal?: AbortSignal;
  /**
   * Called with `true` whenever a connection is there, and with `false` when it is lost or could not be had: the
   * changes then come late, not never.
   */
  onLive?: (live: boolean) => void;
}

/** Which coordinator a `Workspace` reads from, and with whose token: the workspace is the token's. */
export type WorkspaceOptions = Pick<
  UploaderOptions,
  "endpoint" | "token" | "headers" | "credentials" | "fetch"
>;

/** Options of one request. */
export interface RequestOptions {
  /** Gives the request up; it then rejects with the code `aborted` and the signal's reason as `cause`. */
  signal?: AbortSignal;
}

/** Which files `Workspace.files` gives: those for which all that is set here holds. */
export interface FileQuery extends RequestOptions {
  /** Only these states. Default: `uploading` and `available`. */
  status?: FileStatus[];
  /** Exactly this folder; empty for the root. */
  path?: string;
  /** Beginning of the name, as it is written. Files then come by name; `""` gives all of them so. */
  name?: string;
  /** Created then or later; text is RFC 3339. */
  createdFrom?: Date | string;
  /** Created before; text is RFC 3339. */
  createdBefore?: Date | string;
  /** Most files of one page, 1 to 1000. Default: 100. */
  limit?: number;
  /** `nextCursor` of the page before, with the same filters. */
  cursor?: string;
}

/** Some of the workspace's files: newest first, or by name where `name` was given. */
export interface FilePage {
  /** May be fewer than `limit` even where more follow. */
  files: FileRecord[];
  /** Leads to the next page; there is none on the last. It lasts, whatever comes or goes meanwhile. */
  nextCursor?: string;
}

/** How a link to a file's content is to be. */
export interface ContentOptions extends RequestOptions {
  /**
   * `inline` has it shown or played in place, where nothing of its type can do more: sound, video, PDF, images without scripts.
   * Others are saved all the same, as by `attachment`, the default.
   */
  disposition?: "attachment" | "inline";
  /** Life of the link in seconds (300), at most the deployment's `DOWNLOAD_TTL_SECONDS` (14400). */
  expires?: number;
}

/** Where a file's content is to be had for a while, by anybody who has the address. */
export interface ContentLink {
  /** Of storage: saves under the file's own name. Needs no token, so keep it to whoever may have the file. */
  url: string;
  expiresAt: string;
}

/** What went wrong; stable, for programs to branch on. Causes and cures: docs/errors.md. */
export type UploadErrorCode =
  // The coordinator's, as its HTTP API gives them
  | "unauthenticated"
  | "forbidden"
  | "invalid_request"
  | "file_too_large"
  | "quota_exceeded"
  | "not_found"
  | "upload_gone"
  | "parts_missing"
  | "part_size_mismatch"
  | "checksum_mismatch"
  | "conflict"
  | "rate_limited"
  | "storage_unavailable"
  | "internal"
  // The file's
  /** The file was edited while it was being uploaded, or is not the one that was interrupted. */
  | "file_changed"
  /** The file is gone, or permission to read it is. */
  | "file_unreadable"
  // The network's
  | "coordinator_unreachable"
  /** Storage gave no answer that can be read; `UploadError.reason` says why, where that was found out. */
  | "storage_unreachable"
  | "storage_refused"
  | "protocol_violation"
  // The page's
  /** What was kept of an interrupted upload is damaged, or a newer version wrote it. */
  | "checkpoint_invalid"
  /** There is no such interrupted upload, or another tab has taken it up. */
  | "not_interrupted"
  /** The browser has no WebAssembly or no workers, or they are switched off; `new Uploader` throws it. */
  | "unsupported"
  /** `worker.js` or the `.wasm` file could not be loaded; the message says what the server gave instead. */
  | "worker_failed"
  /** `abort()` was called, or the signal fired. */
  | "aborted"
  /** `close()` was called before the upload had ended. */
  | "closed";

/** The fault in somebody's set-up behind `storage_unreachable` or `storage_refused`; stable, and grows. */
export type UploadErrorReason =
  // Behind `storage_unreachable`
  /** Storage answers, but its CORS rules do not let pages of this origin read that. */
  | "cors_missing"
  /** The Content Security Policy of the worker's script leaves storage out. */
  | "csp_blocked"
  /** Nobody answers at the address that signed URLs have, while the coordinator finds storage in order. */
  | "unreachable"
  /** The same, and the person has not let this page into the local network that storage may be in (Local Network Access). */
  | "local_network_blocked"
  /** Something on the way, such as a load balancer, takes no body as large as a part. */
  | "body_too_large"
  // Behind `storage_refused`
  /** The coordinator signs for another region than the bucket's. */
  | "wrong_region"
  /** The coordinator's clock is off: what it signs is over, or not valid yet, at once. Behind `storage_unreachable` too. */
  | "clock_skewed"
  /** Storage computes another signature: the secret is wrong, or something on the way changes requests. */
  | "signature_mismatch"
  /** The coordinator's key may not write. */
  | "access_denied"
  /** There is no such bucket. */
  | "bucket_missing"
  /** Storage does not know the coordinator's key, or no longer. */
  | "key_unknown";
