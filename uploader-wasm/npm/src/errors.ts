import type { Failure } from "./messages.js";
import type { UploadErrorCode, UploadErrorReason } from "./types.js";

/** Why an upload ended without a file. Carries no signed URL, token or file name. */
export class UploadError extends Error {
  override readonly name = "UploadError";
  /** What programs branch on. */
  readonly code: UploadErrorCode;
  /** The fault in somebody's set-up behind a code of storage, where it was found out; each has its cure in docs/errors.md. */
  readonly reason: UploadErrorReason | undefined;
  /** Whether doing the same again may succeed. */
  readonly retryable: boolean;
  /** Whether what storage holds is kept: `uploader.continue(uploadId)` goes on from there, in this page or a later one. */
  readonly resumable: boolean;
  /** The upload that is kept, where it is `resumable` and uploads are remembered (`persist`). */
  readonly uploadId: string | undefined;
  /** Names the request in the coordinator's log, where one was concerned. */
  readonly requestId: string | undefined;
  /** HTTP status of the reply concerned. */
  readonly status: number | undefined;

  constructor(failure: Failure, options?: ErrorOptions) {
    super(failure.message, options);
    this.code = failure.code;
    this.reason = failure.reason;
    this.retryable = failure.retryable;
    this.resumable = failure.resumable ?? false;
    this.uploadId = failure.uploadId;
    this.requestId = failure.requestId;
    this.status = failure.status;
  }
}
