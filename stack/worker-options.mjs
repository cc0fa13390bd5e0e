import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const KEPT = fileURLToPath(new URL("../target/xtask/worker-options", import.meta.url));

/**
 * What wrangler makes of a configuration for Miniflare. It is kept until the configuration or wrangler is another, for
 * loading wrangler takes seconds of a processor; where secrets lie beside the configuration, nothing is kept.
 *
 * @param {string} configPath
 * @param {string} environment
 * @returns {Promise<{workerOptions: Record<string, any>, externalWorkers: object[]}>}
 */
export async function readWorkerOptions(configPath, environment) {
  const path = resolve(configPath);
  if (await hasVariablesBeside(path)) return await askWrangler(path, environment);

  const kept = join(KEPT, `${await fingerprint(path, environment)}.json`);
  const found = await readFile(kept, "utf8").catch(() => undefined);
  if (found) return JSON.parse(found);

  const options = await askWrangler(path, environment);
  await mkdir(KEPT, { recursive: true });
  // Several may do this at once: each moves a whole file into its place.
  const whole = `${kept}.${process.pid}`;
  await writeFile(whole, JSON.stringify(options));
  await rename(whole, kept);
  return options;
}

async function askWrangler(path, environment) {
  const { unstable_getMiniflareWorkerOptions } = await import("wrangler");
  return unstable_getMiniflareWorkerOptions(path, environment);
}

/** Source: Cloudflare's documentation of Workers, "Environment variables and secrets": the files that wrangler reads. */
async function hasVariablesBeside(path) {
  const names = await readdir(dirname(path));
  return names.some((name) => /^\.(dev\.vars|env)(\.|$)/.test(name));
}

async function fingerprint(path, environment) {
  const wrangler = createRequire(import.meta.url).resolve("wrangler/package.json");
  const [configuration, version] = await Promise.all([path, wrangler].map((file) => readFile(file, "utf8")));
  const made = JSON.stringify([path, environment, configuration, version]);
  return createHash("sha256").update(made).digest("hex");
}
