import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const BENCH = fileURLToPath(new URL("..", import.meta.url));
const PACKAGE = fileURLToPath(new URL("../../uploader-wasm/npm/dist", import.meta.url));
const ENGINE =
  process.env.SYNCSPHERE_ENGINE ??
  fileURLToPath(new URL("../../target/uploader-wasm/release", import.meta.url));

/** The pages that the coordinator serves. */
export const OURS = ["ours", "versions"];

/**
 * Builds a page for each contestant: ours into one folder, for the coordinator to serve with the built npm
 * package beside it, and the peers' into another.
 *
 * @returns {Promise<{ours: string, peers: string}>} the folders
 */
export async function buildPages(folder) {
  const ours = join(folder, "ours");
  const peers = join(folder, "peers");
  for (const path of [ours, peers]) await mkdir(path, { recursive: true });
  await cp(PACKAGE, join(ours, "uploader"), { recursive: true });

  await cp(ENGINE, join(peers, "engine"), { recursive: true });
  await bundle(Object.fromEntries(OURS.map((name) => [name, `pages/${name}.mjs`])), ours);
  await bundle(PEERS, peers);
  for (const name of OURS) await writeFile(join(ours, `${name}.html`), html(name));
  for (const name of Object.keys(PEERS)) await writeFile(join(peers, `${name}.html`), html(name));
  return { ours, peers };
}

const PEERS = {
  floor: "pages/floor.mjs",
  uppy5: "peers/uppy5/page.mjs",
  uppy6: "peers/uppy6/page.mjs",
  "lib-storage": "pages/lib-storage.mjs",
  "better-upload": "pages/better-upload.mjs",
  checksums: "pages/checksums.mjs",
};

async function bundle(entryPoints, outdir) {
  await build({
    absWorkingDir: BENCH,
    entryPoints,
    outdir,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    define: { "process.env.NODE_ENV": '"production"' },
    external: ["./uploader/*", "./engine/*"],
    logLevel: "error",
  });
}

function html(name) {
  return `<!doctype html><meta charset="utf-8"><title>${name}</title><input type="file" multiple>
<script type="module" src="/${name}.js"></script>`;
}
