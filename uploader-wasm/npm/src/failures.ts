// Failures that the page's side finds out by itself, and how the log tells of one.

import type { Failure } from "./messages.js";

export const CLOSED: Failure = { code: "closed", message: "the uploader was closed", retryable: true };
export const WORKER_FAILED: Failure = {
  code: "worker_failed",
  message: "the upload workers failed",
  retryable: true,
};
export const UNSUPPORTED: Failure = {
  code: "unsupported",
  message: "no WebAssembly or no workers here",
  retryable: false,
};
export const UNREADABLE: Failure = {
  code: "file_unreadable",
  message: "the file cannot be opened",
  retryable: false,
};
export const NOT_INTERRUPTED: Failure = {
  code: "not_interrupted",
  message: "no such upload here",
  retryable: false,
};

export function invalidRequest(cause: unknown): Failure {
  const message = cause instanceof TypeError ? cause.message : "the file or an option cannot be copied";
  return { code: "invalid_request", message, retryable: false };
}

/** Names neither URL nor token nor file. */
export function failureLogLine({ code, reason, message, requestId, status }: Failure): string {
  const details = [status && `HTTP ${status}`, requestId && `request ${requestId}`]
    .filter(Boolean)
    .join(", ");
  return `upload failed: ${code}: ${message}${details && ` (${details})`}, see docs/errors.md#${reason ?? code}`;
}
