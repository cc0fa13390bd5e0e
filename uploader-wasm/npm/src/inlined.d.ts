/** What `build.mjs` puts into the inline entry. */
declare module "inlined" {
  /** The text of `worker.js`. */
  export const workerScript: string;
  /** The bytes of `uploader.wasm` in base64. */
  export const wasmBase64: string;
}
