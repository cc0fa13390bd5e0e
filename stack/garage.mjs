import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { endProcess, spawnGuarded } from "./guard.mjs";
import { makeRunFolder } from "./run-folder.mjs";
import { assertRunning, clientOf, programInCache, serve, tailOf, untilItStores } from "./s3-server.mjs";

/**
 * Starts Garage, one node, on free ports of 127.0.0.1, with a bucket and its CORS rules; it dies with this process.
 * `halt()` and `resume()` play an outage. Buckets are also found in host names below `domain`.
 *
 * @param {{bucket?: string, allowedOrigins?: string[]}} [options]
 */
export async function startGarage({ bucket = "uploads", allowedOrigins = ["*"] } = {}) {
  const program = garagePath();
  const runFolder = await makeRunFolder();
  const credentials = {
    // Source: Garage's format of keys: GK and 12 bytes, and 32 bytes, in hex
    accessKeyId: `GK${randomBytes(12).toString("hex")}`,
    secretAccessKey: randomBytes(32).toString("hex"),
  };
  const rpcSecret = randomBytes(32).toString("hex");
  const start = (ports) => launch({ program, folder: runFolder.path, ports, credentials, rpcSecret, bucket });

  const facts = { ...credentials, bucket, region: REGION, domain: DOMAIN };
  return serve({ listeners: LISTENERS, start, runFolder, allowedOrigins, facts });
}

/** Where the `garage` program is: `SYNCSPHERE_GARAGE`, else what `cargo xtask` built; nothing where it is not. */
export function findGarage() {
  return programInCache("garage", process.env.SYNCSPHERE_GARAGE, /^garage-[\d.]+$/);
}

const REGION = "garage";
const DOMAIN = "s3.localhost";

// The S3 API, and what nodes say to each other by.
const LISTENERS = 2;

function garagePath() {
  const found = findGarage();
  if (!found)
    throw new Error("Garage is not built: run `cargo xtask test storage`, or set SYNCSPHERE_GARAGE");
  return found;
}

async function launch({ program, folder, ports, credentials, rpcSecret, bucket }) {
  const [s3, rpc] = ports;
  const config = join(folder, "garage.toml");
  for (const name of ["meta", "data"]) await mkdir(join(folder, name), { recursive: true });
  await writeFile(config, configuration({ folder, s3, rpc, rpcSecret }), { mode: 0o600 });
  const child = spawnGuarded(program, ["--config", config, "server", "--single-node", "--default-bucket"], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      TMPDIR: folder,
      GARAGE_DEFAULT_ACCESS_KEY: credentials.accessKeyId,
      GARAGE_DEFAULT_SECRET_KEY: credentials.secretAccessKey,
      GARAGE_DEFAULT_BUCKET: bucket,
    },
  });
  const tail = tailOf(child);
  const endpoint = `http://127.0.0.1:${s3}`;
  const client = clientOf({ endpoint, region: REGION, ...credentials });
  try {
    await untilItStores(client, bucket, () => assertRunning(child));
  } catch (error) {
    await endProcess(child, 0);
    client.destroy();
    throw new Error(`Garage did not come up: ${error.message}\n${tail()}`);
  }
  return { child, client, endpoint, ports, end: (graceMs) => endProcess(child, graceMs) };
}

/** Source: Garage's reference of its configuration file. */
function configuration({ folder, s3, rpc, rpcSecret }) {
  return `
metadata_dir = "${join(folder, "meta")}"
data_dir = "${join(folder, "data")}"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:${rpc}"
rpc_public_addr = "127.0.0.1:${rpc}"
rpc_secret = "${rpcSecret}"

[s3_api]
api_bind_addr = "127.0.0.1:${s3}"
s3_region = "${REGION}"
root_domain = ".${DOMAIN}"
`;
}
