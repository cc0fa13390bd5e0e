import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { join, resolve } from "node:path";
import { Log, LogLevel, Miniflare, convertV4MiniflareOptions } from "miniflare";
import workerd from "workerd";
import { startInboundEdge, startOutboundEdge } from "./edge.mjs";
import { readWorkerOptions } from "./worker-options.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * Runs the built coordinator worker in real workerd, configured by `wrangler.toml` as a deployment would be, and between
 * edges as Cloudflare's: one before the worker, one between it and storage. It dies with this process.
 *
 * `s3` is what `startSeaweed` returns, or the same fields of any other S3 server; it becomes the worker's `S3_*`
 * variables. `vars` are laid over those and over the ones of `wrangler.toml`; `undefined` removes one.
 * `durableDir` keeps the Durable Objects' storage there across runs (the default is temporary). `assets` is the folder
 * of static files to serve, `false` serves none, left out it is what `wrangler.toml` says, if that exists.
 * `databaseUrl` is the PostgreSQL database behind the worker's Hyperdrive binding. `edge: false` leaves the edges out,
 * for the demo and where something is measured.
 * `workerDir` holds the worker, by default the one that `cargo xtask` put in its place.
 * `beside` are further workers for Miniflare, such as a queue's consumer.
 * `logs` of the result collects what the worker wrote, `onLog` hears it at once.
 *
 * @param {{
 *   s3?: {endpoint: string, publicEndpoint?: string, accessKeyId: string, secretAccessKey: string, bucket: string,
 *     region: string, provider?: string, addressing?: string, forms?: string, checksum?: string,
 *     conditionalWrites?: string},
 *   port?: number, host?: string, vars?: Record<string, string | undefined>, durableDir?: string, databaseUrl?: string,
 *   edge?: boolean, assets?: string | false, environment?: string, configPath?: string, workerDir?: string,
 *   onLog?: (entry: {level: string, message: string}) => void,
 *   adjust?: (workerOptions: object) => object, beside?: object[],
 * }} [options]
 */
export async function startCoordinator({
  s3,
  port = 0,
  host = "127.0.0.1",
  vars = {},
  durableDir,
  databaseUrl,
  edge = true,
  assets,
  environment = "development",
  configPath = join(ROOT, "wrangler.toml"),
  workerDir = builtWorker(),
  onLog,
  adjust = (workerOptions) => workerOptions,
  beside = [],
} = {}) {
  guardWorkerd();
  const { workerOptions, externalWorkers } = await readWorkerOptions(configPath, environment);
  const logs = [];
  const between = edge && s3?.endpoint ? await startOutboundEdge({ target: s3.endpoint }) : undefined;

  const runtime = new Miniflare(
    convertV4MiniflareOptions({
      host,
      port: edge ? 0 : port,
      cf: false, // the default downloads sample request metadata
      telemetry: { enabled: false },
      log: new Log(LogLevel.ERROR),
      resourcePersistencePath: durableDir && resolve(durableDir),
      handleStructuredLogs(entry) {
        logs.push(entry);
        onLog?.(entry);
      },
      workers: [
        adjust({
          ...workerOptions,
          modulesRoot: workerDir,
          modules: await modulesIn(workerDir),
          bindings: definedOnly({ ...workerOptions.bindings, ...(s3 && s3Vars(s3, between)), ...vars }),
          assets: staticAssets(workerOptions.assets, assets),
          hyperdrives: databaseUrl ? { [DATABASE_BINDING]: databaseUrl } : {},
        }),
        ...externalWorkers,
        ...beside,
      ],
    }),
  );

  let before;
  const stop = async () => {
    await before?.stop();
    await runtime.dispose();
    await between?.stop();
  };
  try {
    let url = await runtime.ready;
    if (edge) {
      before = await startInboundEdge({ target: url.origin, port, host });
      url = new URL(before.endpoint);
    }
    return {
      url: url.origin,
      logs,
      /** The Miniflare instance, for tests that reach behind the HTTP API (evict a Durable Object and the like). */
      runtime,
      /** What passed the edges: `before` the worker, and `between` it and storage. */
      edges: { before, between },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The folder of the built worker; `SYNCSPHERE_WORKER` names another, such as the one that ships. */
export function builtWorker() {
  return process.env.SYNCSPHERE_WORKER ?? join(ROOT, "edge-coordinator", "build");
}

/** `edge` stands before the endpoint for the worker alone: browsers ask storage themselves. */
function s3Vars(s3, edge) {
  return {
    S3_ENDPOINT: edge?.endpoint ?? s3.endpoint,
    S3_PUBLIC_ENDPOINT: s3.publicEndpoint ?? s3.endpoint,
    S3_REGION: s3.region,
    S3_BUCKET: s3.bucket,
    S3_ADDRESSING: s3.addressing ?? "path",
    S3_ACCESS_KEY_ID: s3.accessKeyId,
    S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
    S3_PROVIDER: s3.provider ?? "generic",
    ...(s3.forms && { S3_FORMS: s3.forms }),
    ...(s3.conditionalWrites && { S3_CONDITIONAL_WRITES: s3.conditionalWrites }),
    ...(s3.checksum && { S3_CHECKSUM: s3.checksum }),
  };
}

function definedOnly(record) {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}

/** The entry must come first; everything else it imports follows. */
async function modulesIn(workerDir) {
  const entry = join(workerDir, "index.js");
  if (!existsSync(entry)) throw new Error(`${entry} is missing: run \`cargo xtask build\``);
  const files = await readdir(workerDir, { recursive: true });
  const rest = files
    .map((file) => join(workerDir, file))
    .filter((file) => file !== entry && Object.hasOwn(MODULE_TYPES, extension(file)));
  return [entry, ...rest].map((path) => ({ type: MODULE_TYPES[extension(path)], path }));
}

// As the worker's code has it. A deployment names it in [[hyperdrive]]; here no database is used unless one is given.
const DATABASE_BINDING = "DATABASE";

const MODULE_TYPES = { ".js": "ESModule", ".mjs": "ESModule", ".wasm": "CompiledWasm" };

function extension(path) {
  return path.slice(path.lastIndexOf("."));
}

function staticAssets(configured, wanted) {
  if (wanted === false) return undefined;
  if (wanted !== undefined) return { ...configured, directory: resolve(wanted) };
  return configured && existsSync(configured.directory) ? configured : undefined;
}

/** Miniflare starts `workerd` itself; it takes another program in its place, and ours ties workerd to our life. */
function guardWorkerd() {
  process.env.SYNCSPHERE_WORKERD ??= workerd.default ?? workerd;
  process.env.MINIFLARE_WORKERD_PATH = join(ROOT, "stack", "workerd-guard.sh");
}
