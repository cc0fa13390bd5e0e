export { UploadError } from "./errors.js";
export { UploadTask } from "./task.js";
export type * from "./types.js";
export { Uploader } from "./uploader.js";
