import type { UploadTask } from "./task.js";
import type { Activity, Progress, UploadElsewhere } from "./types.js";

/** The events of an `Uploader`. */
export interface UploaderEventMap {
  /** All its uploads together, at most ten times a second. */
  progress: CustomEvent<Progress>;
  /**
   * At most four times a second while requests are under way or a figure has changed, and once at the beginning. Work
   * is done for it only while somebody listens.
   */
  activity: CustomEvent<Activity>;
  /** The uploads of other tabs, whenever anything about them has changed, at most five times a second. */
  elsewhere: CustomEvent<UploadElsewhere[]>;
  /** An upload that another page of the site has begun, where pages share theirs (`UploaderOptions.shared`): one for each at the beginning. */
  task: CustomEvent<UploadTask>;
}
