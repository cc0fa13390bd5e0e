import type { UploadError, UploadTask } from "../index.js";
import type { FileRecord } from "../types.js";

/** The element's own events; all of them bubble and leave shadow trees. Besides: `change`, as form controls have it. */
export interface UploadElementEventMap {
  /** An upload has begun, or was tried again. */
  uploadstart: CustomEvent<{ task: UploadTask }>;
  /** A file is uploaded; its id is part of the form from now on. */
  uploadend: CustomEvent<{ file: FileRecord }>;
  /** An upload has failed; not where it was aborted. */
  uploaderror: CustomEvent<{ name: string; error: UploadError }>;
  /** A file is not taken: `accept` does not name its type, or it is larger than `max-size`, or there are `max-files` already. */
  uploadrefuse: CustomEvent<{ file: File; reason: UploadRefusal }>;
}

/** Why `<syncsphere-upload>` does not take a file. */
export type UploadRefusal = "type" | "size" | "count";
