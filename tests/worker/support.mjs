// What the suites of the built worker share: the stack (real workerd, real S3), a client that speaks the HTTP API and
// nothing else, and checksums from an independent implementation.
import assert from "node:assert/strict";
import { pbkdf2Sync, randomBytes, randomUUID } from "node:crypto";
import { after, before } from "node:test";
import { ListMultipartUploadsCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { Crc64NvmeJs } from "@aws-sdk/checksums/crc";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { startPostgres } from "../../stack/postgres.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";

export const MIB = 1024 * 1024;

/** Smallest part that S3 takes. */
export const PART = 5 * MIB;

/**
 * Brings storage and coordinator up before the file's tests and down after them; the returned object is filled by
 * then. `vars` are laid over those of wrangler.toml; whole objects go by PUT unless they say otherwise. With `database`
 * there is a PostgreSQL server as well, `stack.database`.
 */
export function useStack({ vars, s3Vars, database = false } = {}) {
  const stack = {
    /** A client with a guest token, in a workspace of its own unless one is named. */
    async guest(workspace = `w-${randomUUID()}`, scope) {
      return Client.guest(stack.coordinator.url, workspace, scope);
    },
  };
  before(async () => {
    stack.s3 = await startSeaweed();
    const s3 = { ...stack.s3, ...s3Vars?.(stack.s3) };
    if (database) stack.database = await startPostgres();
    const databaseUrl = stack.database?.url;
    stack.coordinator = await startCoordinator({
      s3,
      vars: { S3_FORMS: "off", ...vars },
      databaseUrl,
      assets: false,
    });
    stack.url = stack.coordinator.url;
  });
  after(async () => {
    await stack.coordinator?.stop();
    await stack.database?.stop();
    await stack.s3?.stop();
  });
  return stack;
}

/** The HTTP API as a program sees it. */
export class Client {
  constructor(url, token, workspace) {
    Object.assign(this, { url, token, workspace });
  }

  static async guest(url, workspace, scope) {
    const reply = await requestToken(url, {
      grant_type: "urn:syncsphere:guest",
      workspace,
      ...(scope && { scope }),
    });
    assert.equal(reply.status, 200);
    return new Client(url, (await reply.json()).access_token, workspace);
  }

  /** Sends a request; `body` is JSON unless it is a string. */
  async send(method, path, { body, headers = {}, token = this.token, redirect = "manual" } = {}) {
    return fetch(this.url + path, {
      method,
      redirect,
      headers: { ...(token && { authorization: `Bearer ${token}` }), ...headers },
      body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
    });
  }

  /** Sends a request that must succeed, and gives its JSON. */
  async ask(method, path, options) {
    const response = await this.send(method, path, options);
    const json = await response.json();
    assert.equal(response.status, 200, JSON.stringify(json));
    return json;
  }

  /** Sends a request that must be refused with this code, checks the problem's form and gives it. */
  async refused(code, method, path, options) {
    return assertProblem(await this.send(method, path, options), code);
  }

  async initiate(files, headers) {
    const { uploads } = await this.ask("POST", "/v1/uploads", { body: { files }, headers });
    assert.equal(uploads.length, files.length);
    return uploads;
  }

  /** Initiates one upload that must be granted. */
  async open(bytes, { parts, ...file } = {}, headers) {
    const [grant] = await this.initiate(
      [{ clientRef: "f", name: "file.bin", size: bytes.length, parts: parts ?? [], ...file }],
      headers,
    );
    assert.ok(grant.uploadId, JSON.stringify(grant));
    return grant;
  }

  async sign(grant, parts) {
    const path = `/v1/uploads/${grant.uploadId}/parts`;
    return (await this.ask("POST", path, { body: { ticket: grant.ticket, parts } })).urls;
  }

  /** Signs and sends these parts, all by default, each with its checksum. */
  async sendParts(grant, bytes, numbers = allParts(grant)) {
    return this.sendPieces(
      grant,
      numbers.map((partNumber) => [partNumber, partOf(grant, bytes, partNumber)]),
    );
  }

  /** The same with parts of any size, each given by its number and its bytes. */
  async sendPieces(grant, pieces) {
    const parts = [];
    for (const [partNumber, bytes] of pieces) parts.push({ partNumber, crc64nvme: await crc64nvme(bytes) });
    for (const [index, url] of (await this.sign(grant, parts)).entries()) {
      const response = await put(url, pieces[index][1]);
      assert.equal(response.status, 200, await response.text());
      parts[index].etag = response.headers.get("etag");
    }
    return parts;
  }

  /** Has storage copy ranges of a file into parts, each given by part number, offset and length. */
  async copyParts(grant, { fileId: from }, ranges) {
    const parts = ranges.map(([partNumber, offset, length]) => ({ partNumber, offset, length }));
    const body = { ticket: grant.ticket, from, parts };
    return (await this.ask("POST", `/v1/uploads/${grant.uploadId}/copies`, { body })).parts;
  }

  async complete(grant, body = {}) {
    return this.ask("POST", `/v1/uploads/${grant.uploadId}/complete`, {
      body: { ticket: grant.ticket, ...body },
    });
  }

  async completeRefused(code, grant, body = {}) {
    return this.refused(code, "POST", `/v1/uploads/${grant.uploadId}/complete`, {
      body: { ticket: grant.ticket, ...body },
    });
  }

  /** The whole way: initiate, send, complete. */
  async upload(bytes, file) {
    const grant = await this.open(bytes, file);
    const parts = await this.sendParts(grant, bytes);
    return this.complete(grant, { crc64nvme: await crc64nvme(bytes), parts });
  }

  async changes(since = 0, limit = 1000) {
    return this.ask("GET", `/v1/changes?since=${since}&limit=${limit}`);
  }

  /** Kind of each change, and the size that the file had then. */
  async sizesTold() {
    const { changes } = await this.changes();
    return changes.map(({ kind, file: { size } }) => [kind, size]);
  }
}

/** The bytes of a file, by its download link. */
export async function contentOf(client, { fileId }) {
  const link = await client.ask("GET", `/v1/files/${fileId}/content`, {
    headers: { accept: "application/json" },
  });
  const response = await fetch(link.url);
  assert.equal(response.status, 200, link.url);
  return Buffer.from(await response.arrayBuffer());
}

let workspaces = 0;

/** A client with a token that a backend has minted for somebody, in a workspace of its own unless `fields` name one. */
export async function mintedClient({ url }, credentials, fields = {}) {
  const workspace = `team-${process.pid}-${++workspaces}`;
  const form = { grant_type: "client_credentials", ...credentials, sub: "ann", workspace, ...fields };
  const response = await requestToken(url, form);
  const reply = await response.json();
  assert.equal(response.status, 200, JSON.stringify(reply));
  return new Client(url, reply.access_token, reply.workspace);
}

/** The multipart uploads that storage has of a client's workspace. */
export async function multipartUploads({ s3 }, { workspace }) {
  const listing = new ListMultipartUploadsCommand({ Bucket: s3.bucket, Prefix: `${workspace}/` });
  return (await s3.client.send(listing)).Uploads ?? [];
}

/** The objects that storage has of it. */
export async function objects({ s3 }, { workspace }) {
  const listing = new ListObjectsV2Command({ Bucket: s3.bucket, Prefix: `${workspace}/` });
  return (await s3.client.send(listing)).Contents ?? [];
}

/** Asks the token endpoint with a form. */
export function requestToken(url, form) {
  return fetch(`${url}/v1/auth/token`, { method: "POST", body: new URLSearchParams(form) });
}

/** The stored form of a secret, as `docs/coordinator.md` tells operators to make it. */
export function hashed(secret, rounds = 2000) {
  const salt = randomBytes(16);
  const hash = pbkdf2Sync(secret, salt, rounds, 32, "sha256");
  return `$pbkdf2-sha256$i=${rounds}$${salt.toString("base64")}$${hash.toString("base64")}`;
}

/** Sends a part as a browser would: exactly the headers that came with the URL. */
export function put({ method, url, headers }, bytes, overrides = {}) {
  return fetch(url, { method, headers: { ...headers, ...overrides }, body: bytes });
}

/** Checks an error reply against the contract and gives the problem. */
export async function assertProblem(response, code) {
  const problem = await response.json();
  assert.equal(problem.code, code, JSON.stringify(problem));
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  assert.equal(problem.status, response.status);
  assert.equal(problem.type, `urn:syncsphere:problem:${code}`);
  assert.ok(problem.title && problem.detail);
  assert.match(problem.requestId, /^[0-9a-f]{16}$/);
  assert.equal(response.headers.get("x-request-id"), problem.requestId);
  return problem;
}

export function partOf({ partSize, tail }, bytes, partNumber) {
  const before = partNumber - 1;
  if (tail === undefined || before < tail.after) {
    return bytes.subarray(before * partSize, partNumber * partSize);
  }
  const start = tail.after * partSize + (before - tail.after) * tail.partSize;
  return bytes.subarray(start, start + tail.partSize);
}

export function allParts({ partCount }) {
  return Array.from({ length: partCount }, (_, index) => index + 1);
}

/** CRC-64/NVME by the AWS SDK's own JavaScript, as S3 writes it. */
export async function crc64nvme(bytes) {
  const checksum = new Crc64NvmeJs();
  checksum.update(bytes);
  return Buffer.from(await checksum.digest()).toString("base64");
}

/** Bytes that no compression or deduplication can hide. */
export function noise(length) {
  return randomBytes(length);
}

/** Resolves with the first truthy result of `probe`, which is asked again until `deadlineMs` have passed. */
export async function eventually(probe, what, deadlineMs = 20_000) {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const result = await probe();
    if (result) return result;
    assert.ok(Date.now() < deadline, `it did not happen in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
