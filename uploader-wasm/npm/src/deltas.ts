/**
 * Uploads that send only what changed. A script of its own, which `Uploader.upload` loads where the option `deltas` is on, or a
 * `base` is named.
 */
import { DeltaUpload, type DeltaStart } from "./deltas/delta-upload.js";

/** Takes the upload of a file. It goes by the engine where there is nothing to take from, or that cannot be told. */
export function startDelta(start: DeltaStart): void {
  void new DeltaUpload(start).run();
}
