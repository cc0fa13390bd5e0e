import type { UploaderOptions } from "./types.js";
import { notThere } from "./worker-script.js";

/** The engine, compiled. Rejects with a `LoadFailure` where something else is in its place. */
export async function compile({
  wasmModule,
  wasmUrl,
}: Pick<UploaderOptions, "wasmModule" | "wasmUrl">): Promise<WebAssembly.Module> {
  if (wasmModule) return wasmModule;
  const response = await fetch(wasmUrl ?? new URL("./uploader.wasm", import.meta.url));
  if (!response.ok) throw notThere("the .wasm file", response);
  // Streaming needs the right media type, which not every server sends.
  const copy = response.clone();
  try {
    return await WebAssembly.compileStreaming(response);
  } catch {
    const bytes = await copy.arrayBuffer();
    return WebAssembly.compile(bytes).catch((cause) => {
      throw notThere("the .wasm file", response, { cause });
    });
  }
}
