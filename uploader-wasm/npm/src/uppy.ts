/**
 * `@syncsphere/uploader/uppy`: Uppy's pages on our coordinator. `SyncSphere` is a plugin that uploads with our engine;
 * `uppyCallbacks` and `uppySigner` leave uploading to `@uppy/aws-s3`, version 5 and version 6.
 */
export { uppyCallbacks } from "./uppy/callbacks.js";
export type * from "./uppy/callbacks.js";
export type { UppyClient } from "./uppy/client.js";
export { SyncSphere } from "./uppy/plugin.js";
export type * from "./uppy/plugin.js";
export { uppySigner } from "./uppy/signer.js";
export type * from "./uppy/signer.js";
