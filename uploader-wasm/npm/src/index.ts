export { UploadError } from "./errors.js";
export type { FolderUpload } from "./folder-upload.js";
export { UploadTask } from "./task.js";
export type * from "./types.js";
export { Uploader } from "./uploader.js";
export type { UploaderEventMap } from "./uploader-events.js";
