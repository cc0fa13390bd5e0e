// Builds the static site into dist/: what a web server, or the worker's static assets, serve as it is.
//
//   node demo-site/build.mjs
//
// Needs uploader-wasm/npm/dist, which `cargo xtask build` makes first.

import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { en } from "./src/language/en.ts";

const SITE = fileURLToPath(new URL(".", import.meta.url));
const DIST = join(SITE, "dist");
const PACKAGE = join(SITE, "..", "uploader-wasm", "npm");

async function buildSite() {
  const entries = await uploaderEntries();
  await rm(DIST, { recursive: true, force: true });
  await mkdir(DIST);
  await Promise.all([
    cp(join(SITE, "icon.svg"), join(DIST, "icon.svg")),
    readFile(join(SITE, "index.html"), "utf8").then((html) =>
      writeFile(join(DIST, "index.html"), inEnglish(html)),
    ),
    cp(join(PACKAGE, "dist"), join(DIST, "uploader"), { recursive: true }),
    writeFile(join(DIST, "_headers"), HEADERS),
    bundle(entries),
  ]);
}

/** The page's own texts, for whoever runs no script; the script says them again in the reader's language. */
function inEnglish(html) {
  const named = /data-(?:text|label|placeholder)="(\w+)"/g;
  for (const [, text] of html.matchAll(named)) {
    if (!Object.hasOwn(en.page, text)) throw new Error(`index.html names a text "${text}" that there is not`);
  }
  return html.replace(
    /(data-text="(\w+)"[^>]*>)(?=<\/)/g,
    (element, tag, text) => tag + en.page[text].replace(/[&<]/g, (sign) => `&#${sign.charCodeAt(0)};`),
  );
}

/**
 * The package stays as it was published, in a folder of its own, and is imported from there: a content security policy
 * without inline scripts leaves no room for an import map.
 */
async function bundle(entries) {
  await build({
    entryPoints: { app: join(SITE, "src", "main.ts"), style: join(SITE, "style", "main.css") },
    outdir: DIST,
    bundle: true,
    format: "esm",
    target: ["es2022", "chrome111", "firefox121", "safari16.4"],
    minify: true,
    sourcemap: true,
    logLevel: "warning",
    plugins: [
      {
        name: "published-uploader",
        setup(bundler) {
          bundler.onResolve({ filter: /^@syncsphere\/uploader/ }, ({ path }) => ({
            path: entries.get(path),
            external: true,
          }));
        },
      },
    ],
  });
}

/** Where the site finds the scripts that the package's `exports` name for browsers, by what a program imports. */
async function uploaderEntries() {
  const manifest = JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8"));
  const entries = new Map();
  for (const name of [".", "./streams"]) {
    const entry = manifest.exports[name];
    const file = typeof entry === "string" ? entry : (entry.default ?? entry.import);
    if (!existsSync(join(PACKAGE, file))) {
      throw new Error(`${file} of the npm package is missing: run \`cargo xtask build\``);
    }
    const imported = posix.join("@syncsphere/uploader", name);
    entries.set(imported, `./${posix.join("uploader", posix.relative("dist", file))}`);
  }
  return entries;
}

// Source of the format: Cloudflare Workers static assets, custom headers. Storage may be anywhere, so scripts may
// connect, and frames (downloads) may lead, to any host.
const HEADERS = `/*
  Content-Security-Policy: default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; worker-src 'self'; connect-src 'self' http: https:; frame-src http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
  Referrer-Policy: no-referrer
  Strict-Transport-Security: max-age=31536000
  X-Content-Type-Options: nosniff
`;

await buildSite();
