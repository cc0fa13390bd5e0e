import type { Failure } from "../messages.js";

/** Why a file has no index. */
export const FAILURES = {
  fileChanged: {
    code: "file_changed",
    message: "the file has another size than it had",
    retryable: false,
  },
  unreadable: { code: "file_unreadable", message: "the file cannot be read", retryable: false },
  tooManyChunks: {
    code: "unsupported",
    message: "the file is too large to be cut like this",
    retryable: false,
  },
  noHashes: {
    code: "unsupported",
    message: "no crypto.subtle here: pages have it on https and on localhost",
    retryable: false,
  },
  badIndex: { code: "protocol_violation", message: "the content index cannot be read", retryable: false },
  cancelled: { code: "aborted", message: "nobody waits for the index", retryable: false },
  scripts: {
    code: "worker_failed",
    message:
      "delta-worker.js could not be loaded, or failed: where it is on another host, allow worker-src blob: and that host, or use deltaWorkerUrl",
    retryable: true,
  },
} as const satisfies Record<string, Failure>;
