import type { Failure } from "./messages.js";
import type { UploadErrorCode } from "./types.js";

/** Why an upload ended without a file. Carries no URL, token or file name. */
export class UploadError extends Error {
  override readonly name = "UploadError";
  /** What programs branch on. */
  readonly code: UploadErrorCode;
  /** Whether uploading the same file again may succeed. */
  readonly retryable: boolean;
  /** Names the request in the coordinator's log, where one was concerned. */
  readonly requestId: string | undefined;
  /** HTTP status of the reply concerned. */
  readonly status: number | undefined;

  constructor(failure: Failure, options?: ErrorOptions) {
    super(failure.message, options);
    this.code = failure.code;
    this.retryable = failure.retryable;
    this.requestId = failure.requestId;
    this.status = failure.status;
  }
}
