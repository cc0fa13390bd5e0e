/**
 * Builds `dist/` from `src/` and the WASM modules.
 *
 * `WASM_DIR` names the folder of the engine's module and the script that wasm-bindgen made for it (`--target web --out-name
 * syncsphere_uploader`), `DELTA_DIR` that of `syncsphere_delta`; `cargo xtask` makes them and then calls this. Default of both:
 * `target/uploader-wasm/release`.
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
const [GLUE, WASM] = product("syncsphere_uploader", process.env.WASM_DIR);
const [DELTA_GLUE, DELTA_WASM] = product("syncsphere_delta", process.env.DELTA_DIR);

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

for (const file of [GLUE, WASM, DELTA_GLUE, DELTA_WASM]) {
  if (!existsSync(file)) throw new Error(`${file} is missing: run \`cargo xtask build\``);
}
await rm(DIST, { recursive: true, force: true });
await mkdir(DIST);
await typeScript();
await scripts();
await surfaces();
await copyFile(WASM, path.join(DIST, "uploader.wasm"));
await inlineEntry();

/** The script and the module that Cargo and wasm-bindgen made. */
function product(name, folder = path.join(PACKAGE, "../../target/uploader-wasm/release")) {
  return [`${name}.js`, `${name}_bg.wasm`].map((file) => path.resolve(folder, file));
}

/** Checks all types, and writes the declarations of what pages import. */
async function typeScript() {
  const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
  const compiler = path.join(path.dirname(manifest), "bin/tsc");
  const run = (project) => execFileSync(process.execPath, [compiler, "-p", project], { stdio: "inherit" });
  run(path.join(PACKAGE, "tsconfig.json"));
  // The types of the WASM modules lie beside their scripts, wherever those are.
  const project = path.join(DIST, "tsconfig.worker.json");
  const types = (glue) => [glue.replace(/\.js$/, ".d.ts")];
  const paths = { syncsphere_uploader: types(GLUE), syncsphere_delta: types(DELTA_GLUE) };
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
      "delta-worker": "src/deltas/worker.ts",
      "wake-lock": "src/wake-lock.ts",
    },
    alias: {
      syncsphere_uploader: GLUE,
      syncsphere_delta: DELTA_GLUE,
      "syncsphere_delta.wasm": DELTA_WASM,
    },
    // Inside the script, so that it needs no second address.
    loader: { ".wasm": "binary" },
    plugins: [loadedOnUse],
    // wasm-bindgen's scripts have objects freed that are collected; ours are freed, or live as long as their worker.
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
  const leftOut = {
    name: "left-out",
    setup(esbuild) {
      // Its worker is no use in one script.
      esbuild.onResolve({ filter: /^\.\/deltas\.js$/ }, () => ({ path: "deltas", namespace: "left-out" }));
      esbuild.onLoad({ filter: /.*/, namespace: "left-out" }, () => ({
        contents: 'throw new Error("not in the inline entry")',
      }));
    },
  };
  await build({
    ...SETTINGS,
    entryPoints: { inline: "src/inline.ts" },
    plugins: [inlined, leftOut],
    sourcemap: false,
  });
}
