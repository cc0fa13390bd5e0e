import type { FileStatus, TaskState, UploadErrorCode } from "@syncsphere/uploader";

/** What a person reads for each state of an upload. */
export const STATE_WORDS: Record<TaskState, string> = {
  queued: "Waiting",
  uploading: "Uploading",
  paused: "Paused",
  offline: "No connection, goes on by itself",
  completing: "Checking",
  available: "Uploaded",
  failed: "Failed",
  aborted: "Cancelled",
};

/** What a person reads for each status of a file. */
export const STATUS_WORDS: Record<FileStatus, string> = {
  uploading: "Uploading",
  available: "Available",
  aborted: "Cancelled",
  expired: "Expired",
  deleted: "Deleted",
};

/** One sentence for a person, with the code for whoever is asked for help. */
export function sentence(error: unknown): string {
  const code = codeOf(error);
  if (code && Object.hasOwn(PROBLEMS, code)) return `${PROBLEMS[code as UploadErrorCode]} (${code})`;
  if (error instanceof TypeError || (error instanceof DOMException && error.name === "TimeoutError")) {
    return `${PROBLEMS.coordinator_unreachable} (coordinator_unreachable)`;
  }
  const text = error instanceof Error && error.message ? error.message : "Something went wrong.";
  return code ? `${text} (${code})` : text;
}

const PROBLEMS: Record<UploadErrorCode, string> = {
  unauthenticated: "This workspace cannot be entered as a guest.",
  forbidden: "This is not allowed here.",
  invalid_request: "The server did not understand the request.",
  file_too_large: "The file is larger than allowed here.",
  quota_exceeded: "There is no room left in this workspace.",
  not_found: "This is not here any more.",
  upload_gone: "The upload was cancelled elsewhere or took too long.",
  parts_missing: "Storage lacks some parts of the file.",
  part_size_mismatch: "Storage holds a part of the wrong length.",
  checksum_mismatch: "The stored bytes differ from the file, so they were not accepted.",
  conflict: "Something else happened to this file at the same time.",
  rate_limited: "Too many requests at once. Try again in a moment.",
  storage_unavailable: "Storage does not answer. Try again in a moment.",
  internal: "The server made a mistake.",
  file_changed: "The file was changed while it was being uploaded, or is not the same one.",
  file_unreadable: "The file cannot be read. It may have been moved, or be a folder.",
  coordinator_unreachable: "The server cannot be reached.",
  storage_unreachable: "Storage cannot be reached.",
  storage_refused: "Storage refused the file.",
  protocol_violation: "The server gave an answer that makes no sense.",
  checkpoint_invalid: "What was kept of this upload is damaged. Upload the file again.",
  not_interrupted: "This upload has ended, or another window has taken it up.",
  worker_failed: "The uploader could not start. Reload the page.",
  aborted: "The upload was cancelled.",
  closed: "The uploader was closed.",
};

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}
