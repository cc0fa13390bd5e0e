import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { endProcess, spawnGuarded } from "./guard.mjs";
import { makeRunFolder } from "./run-folder.mjs";
import { assertRunning, clientOf, onFreePorts, setUpBucket, tailOf, untilItStores } from "./s3-server.mjs";

/**
 * Starts Ceph on free ports of 127.0.0.1: a monitor, a store in memory and an object gateway, with a bucket and its CORS
 * rules; all of it dies with this process. `halt()` takes the gateway down and `resume()` brings it back. Buckets are also
 * found in host names below `domain`.
 *
 * @param {{bucket?: string, allowedOrigins?: string[]}} [options]
 */
export async function startCeph({ bucket = "uploads", allowedOrigins = ["*"] } = {}) {
  if (!hasCeph()) {
    throw new Error("Ceph's programs are not installed: run `cargo xtask test storage`");
  }
  const credentials = {
    accessKeyId: randomBytes(10).toString("hex"),
    secretAccessKey: randomBytes(20).toString("hex"),
  };
  const cluster = await onFreePorts(LISTENERS, (ports) => form(ports, credentials));
  const { client, endpoint } = cluster;
  try {
    await untilItStores(client, bucket, () => assertRunning(cluster.gateway));
    await setUpBucket(client, bucket, allowedOrigins);
  } catch (error) {
    await cluster.end();
    throw new Error(`Ceph did not come up: ${error.message}\n${cluster.tail()}`);
  }
  return {
    endpoint,
    ...credentials,
    bucket,
    region: REGION,
    domain: DOMAIN,
    /** The key by which it encrypts where it is asked for SSE-KMS. */
    kmsKey: KMS_KEY,
    /** The role that the credentials may take on by STS. */
    role: `arn:aws:iam:::role/${ROLE}`,
    /** A signed S3 client with the server's credentials, for set-up and for looking at what is stored. */
    client,
    get pid() {
      return cluster.gateway.pid;
    },
    async halt() {
      await endProcess(cluster.gateway, 0);
    },
    async resume() {
      cluster.startGateway();
      await untilItStores(client, bucket, () => assertRunning(cluster.gateway));
    },
    async stop() {
      await cluster.end();
    },
  };
}

/** Whether the programs are there that it takes. */
export function hasCeph() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return PROGRAMS.every((program) => folders.some((folder) => existsSync(join(folder, program))));
}

const PROGRAMS = ["ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin"];

// The gateway takes any region; clients must name one to sign.
const REGION = "us-east-1";
const DOMAIN = "s3.localhost";

const KMS_KEY = "uploads-key";

const ROLE = "uploads-role";
/** Every call of S3's, on every bucket. */
const ROLE_MAY_ALL = [
  ...["role-policy", "put", `--role-name=${ROLE}`, "--policy-name=all"],
  `--policy-doc=${JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: ["s3:*"], Resource: "arn:aws:s3:::*" }],
  })}`,
];

// The gateway and the monitor; the store finds one for itself.
const LISTENERS = 2;

const READY_TIMEOUT_MS = 60_000;

/** A cluster whose gateway has been started, and may not answer yet. */
async function form([s3, monitor], credentials) {
  const runFolder = await makeRunFolder();
  const folder = runFolder.path;
  const children = [];
  const configFile = join(folder, "ceph.conf");
  const start = (program, args) => {
    const options = { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, TMPDIR: folder } };
    const child = spawnGuarded(program, ["--conf", configFile, ...args], options);
    return Object.assign(child, { tail: tailOf(child) });
  };
  const daemon = (...command) => {
    const child = start(...command);
    children.push(child);
    return child;
  };
  const cluster = {
    client: undefined,
    endpoint: `http://127.0.0.1:${s3}`,
    gateway: undefined,
    startGateway() {
      cluster.gateway = daemon("radosgw", ["--name", "client.rgw", "--foreground"]);
    },
    tail: () => cluster.gateway?.tail() ?? "",
    async end() {
      cluster.client?.destroy();
      // What it holds is thrown away, so nothing has to be brought to an end.
      await Promise.all(children.map((child) => endProcess(child, 0)));
      await runFolder.remove();
    },
  };
  try {
    const fsid = randomUUID();
    const uuid = randomUUID();
    for (const name of ["mon", "osd/0", "rgw", "run", "log"]) {
      await mkdir(join(folder, name), { recursive: true });
    }
    await writeFile(configFile, configuration({ folder, fsid, s3, monitor }));
    await writeFile(join(folder, "keyring"), "");
    const map = join(folder, "monmap");
    const address = `[v1:127.0.0.1:${monitor}]`;
    await run(start, "monmaptool", ["--create", "--fsid", fsid, "--addv", "a", address, map]);
    const keyring = ["--keyring", join(folder, "keyring")];
    await run(start, "ceph-mon", ["--mkfs", "--id", "a", "--monmap", map, ...keyring]);
    daemon("ceph-mon", ["--id", "a", "--foreground"]);
    await run(start, "ceph", ["osd", "new", uuid, "0"]);
    await run(start, "ceph-osd", ["--id", "0", "--mkfs", "--osd-uuid", uuid]);
    await run(start, "ceph", ["osd", "crush", "add", "osd.0", "1.0", "host=h", "root=default"]);
    const store = daemon("ceph-osd", ["--id", "0", "--foreground"]);
    await untilUp(start, store);
    const user = ["user", "create", "--uid=uploader", "--display-name=uploader"];
    const keys = [`--access-key=${credentials.accessKeyId}`, `--secret-key=${credentials.secretAccessKey}`];
    await run(start, "radosgw-admin", ["--name", "client.rgw", ...user, ...keys]);
    await run(start, "radosgw-admin", ["--name", "client.rgw", ...roleFor("uploader")]);
    await run(start, "radosgw-admin", ["--name", "client.rgw", ...ROLE_MAY_ALL]);
    cluster.startGateway();
    cluster.client = clientOf({ endpoint: cluster.endpoint, region: REGION, ...credentials });
    return cluster;
  } catch (error) {
    await cluster.end();
    throw error;
  }
}

/** A role that the user may take on for an hour, by STS. */
function roleFor(user) {
  const Principal = { AWS: [`arn:aws:iam:::user/${user}`] };
  const Statement = [{ Effect: "Allow", Principal, Action: ["sts:AssumeRole"] }];
  const policy = JSON.stringify({ Version: "2012-10-17", Statement });
  return ["role", "create", `--role-name=${ROLE}`, `--assume-role-policy-doc=${policy}`];
}

/** Runs a program to its end; what it said is told only where it failed. */
async function run(start, program, args) {
  const child = start(program, args);
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  const timer = setTimeout(() => child.kill("SIGKILL"), READY_TIMEOUT_MS);
  const [code] = await once(child, "close");
  clearTimeout(timer);
  if (code !== 0) throw new Error(`${program} failed:\n${child.tail()}`);
  return output;
}

async function untilUp(start, store) {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    assertRunning(store);
    const { num_up_osds: up } = JSON.parse(await run(start, "ceph", ["osd", "stat", "--format", "json"]));
    if (up > 0) return;
    if (Date.now() > deadline) throw new Error(`the store did not come up:\n${store.tail()}`);
    await delay(100);
  }
}

/**
 * One copy of everything, no authentication between the parts, and no care for a disk that is nearly full.
 *
 * Source: Ceph's references of monitors, pools, stores and the gateway's configuration.
 */
function configuration({ folder, fsid, s3, monitor }) {
  return `
[global]
fsid = ${fsid}
mon host = [v1:127.0.0.1:${monitor}]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
auth allow insecure global id reclaim = true
ms bind msgr2 = false
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 2
mon osd full ratio = 0.98
mon osd backfillfull ratio = 0.975
mon osd nearfull ratio = 0.97
osd failsafe full ratio = 0.99
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd crush update on start = false
osd class update on start = false
osd objectstore = memstore
memstore device bytes = 4294967296
run dir = ${join(folder, "run")}
admin socket = ${join(folder, "run", "$name.asok")}
log file = ${join(folder, "log", "$name.log")}
pid file = ${join(folder, "run", "$name.pid")}
crash dir = ${join(folder, "log")}
keyring = ${join(folder, "keyring")}
[mon.a]
mon data = ${join(folder, "mon")}
[osd.0]
osd data = ${join(folder, "osd", "0")}
[client.rgw]
rgw data = ${join(folder, "rgw")}
rgw frontends = beast endpoint=127.0.0.1:${s3}
rgw dns name = ${DOMAIN}
rgw s3 auth use sts = true
rgw sts key = ${randomBytes(8).toString("hex")}
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = ${KMS_KEY}=${randomBytes(32).toString("base64")}
`;
}
