/**
 * The package in one script, for pages whose tools copy no other files: worker and WebAssembly are inside, so
 * it is larger, and the page's Content Security Policy has to allow `worker-src blob:`.
 */
import { workerScript, wasmBase64 } from "inlined";

import type { UploaderOptions } from "./types.js";
import { Uploader as Separate } from "./uploader.js";

export { UploadError } from "./errors.js";
export type { FolderUpload } from "./folder-upload.js";
export { UploadTask } from "./task.js";
export type * from "./types.js";

/** As the package's own `Uploader`, without `worker.js` and `uploader.wasm` to be fetched. */
export class Uploader extends Separate {
  constructor(options: UploaderOptions) {
    const here = typeof document === "object" && Separate.isSupported();
    super(here ? { createWorker, wasmModule: compile(), ...options } : options);
  }
}

let workerUrl: string | undefined;
let wasmModule: Promise<WebAssembly.Module> | undefined;

function createWorker(): Worker {
  workerUrl ??= URL.createObjectURL(new Blob([workerScript], { type: "text/javascript" }));
  return new Worker(workerUrl, { type: "module" });
}

function compile(): Promise<WebAssembly.Module> {
  wasmModule ??= WebAssembly.compile(Uint8Array.from(atob(wasmBase64), (byte) => byte.charCodeAt(0)));
  return wasmModule;
}
