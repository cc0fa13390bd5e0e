/**
 * Builds `dist/` from `src/` and the WASM module.
 *
 * `WASM_DIR` names the folder with wasm-bindgen's output (`--target web --out-name syncsphere_uploader`);
 * `cargo xtask` makes it and then calls this script. Default: `target/uploader-wasm`.
 */
import { execFileSync } from "node:child_process";
import { copyFile, mkdir, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, "../..");
const wasmDir = path.resolve(root, process.env.WASM_DIR ?? "target/uploader-wasm");
const dist = path.join(here, "dist");

const glue = path.join(wasmDir, "syncsphere_uploader.js");
const wasm = path.join(wasmDir, "syncsphere_uploader_bg.wasm");
for (const file of [glue, wasm]) {
  await stat(file).catch(() => {
    console.error(`${file} is missing: cargo xtask builds it.`);
    process.exit(1);
  });
}

const tsc = path.join(path.dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
const check = (config) => execFileSync(process.execPath, [tsc, "-p", path.join(here, config)], { stdio: "inherit" });

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
check("tsconfig.json");
check("tsconfig.worker.json");
await build({
  absWorkingDir: here,
  entryPoints: { index: "src/index.ts", worker: "src/worker/worker.ts" },
  outdir: "dist",
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: true,
  alias: { syncsphere_uploader: glue },
  // The glue could fetch the module by itself; the page compiles it once for all workers instead.
  define: { "import.meta.url": "import.meta.url" },
  logLevel: "warning",
});
await copyFile(wasm, path.join(dist, "uploader.wasm"));
