/**
 * Builds `dist/` from `src/` and the WASM module.
 *
 * `WASM_DIR` names the folder of the module and the script that wasm-bindgen made for it (`--target web --out-name
 * syncsphere_uploader`); `cargo xtask` makes both and then calls this. Default: `target/uploader-wasm/release`.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const PACKAGE = fileURLToPath(new URL(".", import.meta.url));
const DIST = path.join(PACKAGE, "dist");
const PRODUCTS = path.resolve(
  process.env.WASM_DIR ?? path.join(PACKAGE, "../../target/uploader-wasm/release"),
);
const GLUE = path.join(PRODUCTS, "syncsphere_uploader.js");
const WASM = path.join(PRODUCTS, "syncsphere_uploader_bg.wasm");

const SETTINGS = {
  absWorkingDir: PACKAGE,
  outdir: DIST,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: true,
  logLevel: "warning",
};

/** Leaves a script that is imported when it is needed where it is: beside the others. */
const loadedOnUse = {
  name: "loaded-on-use",
  setup(esbuild) {
    esbuild.onResolve({ filter: /^\.\// }, ({ path: specifier, kind }) =>
      kind === "dynamic-import" ? { path: specifier, external: true } : undefined,
    );
  },
};

for (const file of [GLUE, WASM]) {
  if (!existsSync(file)) throw new Error(`${file} is missing: run \`cargo xtask build\``);
}
await rm(DIST, { recursive: true, force: true });
await mkdir(DIST);
await typeScript();
await scripts();
await surfaces();
await copyFile(WASM, path.join(DIST, "uploader.wasm"));
await inlineEntry();

/** Checks all types, and writes the declarations of what pages import. */
async function typeScript() {
  const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
  const compiler = path.join(path.dirname(manifest), "bin/tsc");
  const run = (project) => execFileSync(process.execPath, [compiler, "-p", project], { stdio: "inherit" });
  run(path.join(PACKAGE, "tsconfig.json"));
  // The types of the WASM module lie beside its script, wherever that is.
  const project = path.join(DIST, "tsconfig.worker.json");
  const paths = { syncsphere_uploader: [GLUE.replace(/\.js$/, ".d.ts")] };
  await writeFile(
    project,
    JSON.stringify({ extends: "../tsconfig.worker.json", compilerOptions: { paths } }),
  );
  run(project);
  await rm(project);
}

async function scripts() {
  await build({
    ...SETTINGS,
    entryPoints: {
      index: "src/index.ts",
      worker: "src/worker/worker.ts",
      "shared-worker": "src/shared/worker.ts",
      spool: "src/streams/spool.ts",
      "download-worker": "src/downloads/worker.ts",
      "wake-lock": "src/wake-lock.ts",
    },
    alias: { syncsphere_uploader: GLUE },
    plugins: [loadedOnUse],
    // wasm-bindgen's script has objects freed that are collected; conductor and lanes live as long as their worker.
    define: { FinalizationRegistry: "undefined" },
    // wasm-bindgen's script warns of a form of call that is not ours; nothing of ours writes to the console by itself.
    pure: ["console.warn"],
  });
}

/**
 * What stands on the page's script and imports it, so that there is one `Uploader` and one `UploadError` on a page that
 * uses several entries.
 */
async function surfaces() {
  const own = ["index.js", "errors.js"].map((name) => path.join(PACKAGE, "src", name));
  const standOn = (place, ...entryPoints) =>
    build({
      ...SETTINGS,
      outbase: path.join(PACKAGE, "src"),
      entryPoints,
      external: ["react", "@uppy/core"],
      plugins: [
        loadedOnUse,
        {
          name: "own-entries",
          setup(esbuild) {
            esbuild.onResolve({ filter: /\/(index|errors)\.js$/ }, ({ path: specifier, resolveDir }) =>
              own.includes(path.join(resolveDir, specifier)) ? { path: place, external: true } : undefined,
            );
          },
        },
      ],
    });
  await standOn(
    "./index.js",
    "src/files.ts",
    "src/react.ts",
    "src/uppy.ts",
    "src/open-uploads.ts",
    "src/shared.ts",
    "src/streams.ts",
    "src/deltas.ts",
    { in: "src/downloads/download.ts", out: "download" },
  );
  await standOn("../index.js", "src/element/index.ts");
  // It registers the very class of the entry beside it.
  await build({
    ...SETTINGS,
    outbase: path.join(PACKAGE, "src"),
    entryPoints: ["src/element/define.ts"],
    external: ["./index.js"],
  });
}

/** The page's script with the worker's and the module inside. */
async function inlineEntry() {
  const worker = await readFile(path.join(DIST, "worker.js"), "utf8");
  const contents = {
    workerScript: worker.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n"),
    wasmBase64: await readFile(WASM, "base64"),
  };
  const inlined = {
    name: "inlined",
    setup(esbuild) {
      esbuild.onResolve({ filter: /^inlined$/ }, () => ({ path: "inlined", namespace: "inlined" }));
      esbuild.onLoad({ filter: /.*/, namespace: "inlined" }, () => ({
        contents: JSON.stringify(contents),
        loader: "json",
      }));
    },
  };
  await build({
    ...SETTINGS,
    entryPoints: { inline: "src/inline.ts" },
    plugins: [inlined],
    sourcemap: false,
  });
}
