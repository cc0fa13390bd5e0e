import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { endProcess, spawnGuarded } from "./guard.mjs";
import { makeRunFolder } from "./run-folder.mjs";
import { assertRunning, clientOf, programInCache, serve, tailOf, untilItStores } from "./s3-server.mjs";

/**
 * Starts a real S3 server (SeaweedFS, one process) on free ports of 127.0.0.1, creates a bucket and sets its CORS
 * rules through the S3 API. It dies with this process.
 *
 * Data lives in a temporary folder that `stop()` removes, unless `dataDir` names one that is to be kept.
 * `halt()` takes the server down and leaves data, port and credentials as they are; `resume()` brings it back:
 * that is how tests play a storage outage.
 *
 * @param {{dataDir?: string, bucket?: string, allowedOrigins?: string[]}} [options]
 */
export async function startSeaweed({ dataDir, bucket = "uploads", allowedOrigins = ["*"] } = {}) {
  const runFolder = await makeRunFolder();
  const runDir = runFolder.path;
  const data = dataDir ?? join(runDir, "data");
  await mkdir(data, { recursive: true });

  const credentials = {
    accessKeyId: randomBytes(10).toString("hex"),
    secretAccessKey: randomBytes(20).toString("hex"),
  };
  const start = (ports) => launch({ data, runDir, ports, credentials });

  const facts = { ...credentials, bucket, region: REGION };
  return serve({
    listeners: LISTENERS,
    start,
    runFolder,
    allowedOrigins,
    facts,
    isKept: dataDir !== undefined,
  });
}

/** Where the `weed` program is: `SYNCSPHERE_WEED`, else what `cargo xtask` installed in the user's cache. */
export function weedPath() {
  const found = programInCache("weed", process.env.SYNCSPHERE_WEED, /^seaweedfs-/);
  if (!found) {
    throw new Error("the S3 server `weed` is not installed: run `cargo xtask setup`, or set SYNCSPHERE_WEED");
  }
  return found;
}

// SeaweedFS takes any region; clients must name one to sign.
const REGION = "us-east-1";

// One process, five services, each with an HTTP and a gRPC port; the admin service listens even without its UI.
const LISTENERS = 10;

async function launch({ data, runDir, ports, credentials }) {
  const [s3, s3Grpc, master, masterGrpc, volume, volumeGrpc, filer, filerGrpc, admin, adminGrpc] = ports;
  const child = spawnGuarded(
    weedPath(),
    [
      "mini",
      `-dir=${data}`,
      "-ip=127.0.0.1",
      "-ip.bind=127.0.0.1",
      `-s3.port=${s3}`,
      `-s3.port.grpc=${s3Grpc}`,
      "-s3.port.iceberg=0",
      "-s3.port.lance=0",
      `-s3.localSocket=${join(runDir, "s3.sock")}`,
      `-master.port=${master}`,
      `-master.port.grpc=${masterGrpc}`,
      "-master.telemetry=false",
      `-volume.port=${volume}`,
      `-volume.port.grpc=${volumeGrpc}`,
      "-volume.preStopSeconds=0",
      `-filer.port=${filer}`,
      `-filer.port.grpc=${filerGrpc}`,
      `-filer.localSocket=${join(runDir, "filer.sock")}`,
      "-webdav=false",
      `-admin.port=${admin}`,
      `-admin.port.grpc=${adminGrpc}`,
      "-admin.ui=false",
    ],
    {
      cwd: runDir,
      env: {
        PATH: process.env.PATH,
        HOME: runDir, // so that no configuration of the user's is picked up, and none is written
        TMPDIR: runDir,
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      },
    },
  );

  const tail = tailOf(child);
  const endpoint = `http://127.0.0.1:${s3}`;
  const client = clientOf({ endpoint, region: REGION, ...credentials });
  try {
    await untilItStores(client, "readiness", () => assertRunning(child));
  } catch (error) {
    await endProcess(child, 0);
    client.destroy();
    throw new Error(`SeaweedFS did not come up: ${error.message}\n${tail()}`);
  }
  const end = async (graceMs) => {
    await endProcess(child, graceMs);
    await removeSockets(ports);
  };
  return { child, client, endpoint, ports, end };
}

/** SeaweedFS puts a socket file for each gRPC port into /tmp, wherever TMPDIR points, and leaves some behind. */
async function removeSockets([, s3Grpc, , masterGrpc, , volumeGrpc, , filerGrpc, , adminGrpc]) {
  const services = { s3: s3Grpc, master: masterGrpc, volume: volumeGrpc, filer: filerGrpc, admin: adminGrpc };
  for (const [service, port] of Object.entries(services)) {
    await rm(`/tmp/seaweedfs-${service}-grpc-${port}.sock`, { force: true });
  }
}
