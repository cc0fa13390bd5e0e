import type { Failure } from "../messages.js";

/** What went wrong where bytes were written. */
export function writingFailure(cause: unknown): Failure {
  const { name } = cause as Error;
  if (name === "NoModificationAllowedError") return BUSY;
  const message =
    name === "QuotaExceededError"
      ? "no room for the download: the disk is full or the browser's quota is used up"
      : "the download cannot be written";
  return { code: "file_unreadable", message, retryable: false };
}

export const BUSY: Failure = {
  code: "conflict",
  message: "another page or download writes to this place",
  retryable: true,
};

export const NO_PLACE: Failure = {
  code: "unsupported",
  message: "no private file system to download to",
  retryable: false,
};

export const SCRIPTS_FAILED: Failure = {
  code: "worker_failed",
  message:
    "the scripts of downloads could not be loaded, or failed: where download-worker.js is on another host, allow worker-src blob: and that host, or use workerUrl",
  retryable: true,
};

/** Storage has another object than it had, or than the record tells of: files never change, so it stays so. */
export const OTHER_CONTENT: Failure = {
  code: "file_changed",
  message: "storage has another content by now",
  retryable: false,
};

export const WRONG_CHECKSUM: Failure = {
  code: "checksum_mismatch",
  message: "what was downloaded is not what was uploaded",
  retryable: true,
};
