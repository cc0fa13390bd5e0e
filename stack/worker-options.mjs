import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const KEPT = fileURLToPath(new URL("../target/xtask/worker-options", import.meta.url));

/**
 * What wrangler makes of a configuration for Miniflare. It is kept, for loading wrangler takes seconds of a processor: until
 * the configuration, a file of variables beside it, or wrangler is another.
 *
 * @param {string} configPath
 * @param {string} environment
 * @returns {Promise<{workerOptions: Record<string, any>, externalWorkers: object[]}>}
 */
export async function readWorkerOptions(configPath, environment) {
  const path = resolve(configPath);
  const kept = join(KEPT, `${await fingerprint(path, environment)}.json`);
  const found = await readFile(kept, "utf8").catch(() => undefined);
  if (found) return JSON.parse(found);

  const { unstable_getMiniflareWorkerOptions } = await import("wrangler");
  const { workerOptions, externalWorkers } = unstable_getMiniflareWorkerOptions(path, environment);
  const options = JSON.stringify({ workerOptions, externalWorkers });
  await mkdir(KEPT, { recursive: true });
  // Several may do this at once: each moves a whole file into its place.
  const whole = `${kept}.${process.pid}`;
  await writeFile(whole, options);
  await rename(whole, kept);
  return JSON.parse(options);
}

async function fingerprint(path, environment) {
  const folder = dirname(path);
  const besides = (await readdir(folder)).filter((name) => /^\.(dev\.vars|env)/.test(name)).toSorted();
  const wrangler = createRequire(import.meta.url).resolve("wrangler/package.json");
  const hash = createHash("sha256").update(JSON.stringify([path, environment]));
  for (const file of [path, ...besides.map((name) => join(folder, name)), wrangler]) {
    hash.update(JSON.stringify([basename(file), await readFile(file, "utf8")]));
  }
  return hash.digest("hex");
}
