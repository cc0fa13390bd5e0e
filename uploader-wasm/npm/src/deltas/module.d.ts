/** What `build.mjs` puts into `delta-worker.js`. */
declare module "syncsphere_delta.wasm" {
  /** The WebAssembly of `delta-wasm/`. */
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
