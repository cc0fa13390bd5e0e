// What the suites of all storages share.

import { createHash } from "node:crypto";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { Client, allParts, crc64nvme, partOf, put } from "../worker/support.mjs";
import { throughNode } from "./loopback.mjs";

const missing = new Set();

/** A test of this server; where the server cannot be had, one line says so for all of them. */
export function on(server, name, run) {
  if (!server.missing) return void test(`${server.name}: ${name}`, run);
  if (missing.has(server.name)) return;
  missing.add(server.name);
  test(`${server.name}: every test here`, { skip: server.missing });
}

/** One server for all tests of the calling file, where it can be had: `s3` while they run. */
export function useServer(server) {
  let starting;
  const storage = {
    ...server,
    /** Resolves once it runs: what is to be done before a file's first test is begun all at once. */
    async started() {
      if (!server.missing) storage.s3 = await (starting ??= server.start());
    },
  };
  before(() => storage.started());
  after(() => storage.s3?.stop());
  return storage;
}

/** A coordinator before a server that `useServer` has started. */
export function useCoordinator(storage, vars) {
  const stack = {
    get s3() {
      return storage.s3;
    },
    async guest() {
      return Client.guest(stack.coordinator.url, `w-${randomUUID()}`);
    },
  };
  before(async () => {
    if (storage.missing) return;
    await storage.started();
    const { s3 } = storage;
    const all = { ...storage.vars, ...vars };
    stack.coordinator = await startCoordinator({ s3, vars: all, assets: false, ...byItsName(s3) });
  });
  after(() => stack.coordinator?.stop());
  return stack;
}

/** How the coordinator reaches a storage whose bucket stands in the host name: by that name, without an edge between. */
export function byItsName({ addressing }) {
  return addressing === "virtual" ? { adjust: throughNode, edge: false } : {};
}

/** What a client says of bytes to a storage that proves them so. */
export async function claimOf(bytes, algorithm) {
  return algorithm === "md5"
    ? { md5: createHash("md5").update(bytes).digest("base64") }
    : { crc64nvme: await crc64nvme(bytes) };
}

/** What it says of these parts, all by default. */
export async function claimsOf(grant, bytes, algorithm, numbers = allParts(grant)) {
  const claims = [];
  for (const partNumber of numbers) {
    claims.push({ partNumber, ...(await claimOf(partOf(grant, bytes, partNumber), algorithm)) });
  }
  return claims;
}

/** Sends bytes as the signed part says, by PUT or as a form. */
export function deliver(signed, bytes) {
  if (signed.method === "PUT") return put(signed, bytes);
  const form = new FormData();
  for (const [name, value] of Object.entries(signed.fields)) form.append(name, value);
  form.append("file", new Blob([bytes]));
  return fetch(signed.url, { method: "POST", body: form });
}

export async function contentOf(client, { fileId }) {
  const headers = { accept: "application/json" };
  const link = await client.ask("GET", `/v1/files/${fileId}/content`, { headers });
  return Buffer.from(await (await fetch(link.url)).arrayBuffer());
}
