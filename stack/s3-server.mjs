import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutBucketCorsCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { corsRule } from "./bucket-rules.mjs";
import { freePorts } from "./ports.mjs";

// What the S3 servers of the demo and the tests have in common: how they come up, and what they get before anybody
// uses them.

/**
 * Starts a server on free ports. Ports are only known to have been free, so a start that loses a race for one is tried
 * with others.
 *
 * @template T
 * @param {number} count of its ports
 * @param {(ports: number[]) => Promise<T>} start
 * @returns {Promise<T>}
 */
export async function onFreePorts(count, start) {
  let failure;
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
    try {
      return await start(await freePorts(count));
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/**
 * Brings a server of one process up on free ports, with its bucket, and gives what is used of it. `facts` are its
 * credentials, bucket, region and the like; `stop` removes the run folder. Where its data `isKept`, outside of that folder,
 * the server gets the time to write them.
 *
 * @param {{listeners: number, start: (ports: number[]) => Promise<object>, runFolder: {remove(): Promise<void>},
 *   allowedOrigins: string[], facts: {bucket: string}, isKept?: boolean}} options
 */
export async function serve({ listeners, start, runFolder, allowedOrigins, facts, isKept = false }) {
  let server;
  try {
    server = await onFreePorts(listeners, start);
    await setUpBucket(server.client, facts.bucket, allowedOrigins);
  } catch (error) {
    await server?.end();
    await runFolder.remove();
    throw error;
  }
  return {
    endpoint: server.endpoint,
    ...facts,
    /** A signed S3 client with the server's credentials, for set-up and for looking at what is stored. */
    client: server.client,
    get pid() {
      return server.child.pid;
    },
    async halt() {
      await server.end();
    },
    async resume() {
      server = await start(server.ports);
    },
    async stop() {
      await server.end(isKept ? undefined : 0);
      server.client.destroy();
      await runFolder.remove();
    },
  };
}

/**
 * Where a server's program is: where the environment says, else in a folder of the user's cache, where `cargo xtask`
 * has put it; nothing where it is not.
 *
 * @param {string} name of the program
 * @param {string | undefined} told
 * @param {RegExp} folders that may hold it
 */
export function programInCache(name, told, folders) {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "syncsphere-xtask");
  const installed = existsSync(cache) ? readdirSync(cache).filter((folder) => folders.test(folder)) : [];
  const candidates = installed.map((folder) => join(cache, folder, "bin", name));
  return [told, ...candidates].find((path) => path && existsSync(path));
}

/** A signed client of a server of this machine, which asks once. */
export function clientOf({ endpoint, region, accessKeyId, secretAccessKey }) {
  return new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    maxAttempts: 1,
  });
}

/**
 * Resolves once an object can be stored in the bucket, which is well after the port answers; makes the bucket where it
 * is missing. `alive` throws where the server has ended.
 */
export async function untilItStores(client, bucket, alive) {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  const probe = { Bucket: bucket, Key: "readiness-probe" };
  for (;;) {
    alive();
    try {
      await createBucket(client, bucket);
      await client.send(new PutObjectCommand({ ...probe, Body: "ready" }));
      await client.send(new DeleteObjectCommand(probe));
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await delay(50);
    }
  }
}

/** The bucket with the rules that uploads from pages need. */
export async function setUpBucket(client, bucket, allowedOrigins) {
  await createBucket(client, bucket);
  const CORSConfiguration = { CORSRules: [corsRule(allowedOrigins)] };
  await client.send(new PutBucketCorsCommand({ Bucket: bucket, CORSConfiguration }));
}

/** Throws where a child has ended. */
export function assertRunning(child) {
  if (child.exitCode !== null || child.signalCode !== null) throw new Error("it ended at once");
}

/** The last of what a child writes, for the error that tells of its failure. */
export function tailOf(...children) {
  let tail = "";
  for (const child of children) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk) => (tail = (tail + chunk).slice(-TAIL)));
    }
  }
  return () => tail;
}

const START_ATTEMPTS = 4;
const READY_TIMEOUT_MS = 60_000;
const TAIL = 4000;

async function createBucket(client, bucket) {
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  } catch (error) {
    if (error.name !== "BucketAlreadyOwnedByYou" && error.name !== "BucketAlreadyExists") throw error;
  }
}
