// The calls of an upload as each coordinator takes them, ready to be sent by load.mjs.

import { randomBytes, randomUUID } from "node:crypto";
import { Crc64NvmeJs } from "@aws-sdk/checksums/crc";
import { Agent, request as send } from "undici";

const MIB = 2 ** 20;

// Two parts: the smallest that S3 takes, and a last one of a kilobyte.
const FIRST = Buffer.alloc(5 * MIB, "a");
const LAST = randomBytes(1024);
const PARTS = [FIRST, LAST];

// Parts enough for the largest batch.
const LARGE = 200 * FIRST.length;

const JSON_TYPE = { "content-type": "application/json" };

/** Ours. Checksums are signed, and the whole's is stated with the last parts, as the uploader has it. */
export async function callsOfOurs(origin) {
  const form = { grant_type: "urn:syncsphere:guest", workspace: `load-${randomUUID()}` };
  const granted = await fetch(`${origin}/v1/auth/token`, { method: "POST", body: new URLSearchParams(form) });
  const { access_token: token } = await granted.json();
  const headers = { ...JSON_TYPE, authorization: `Bearer ${token}` };
  const post = (path, body) => ({ method: "POST", path, headers, body: JSON.stringify(body) });
  const initiate = (size, parts = []) =>
    post("/v1/uploads", {
      files: [{ clientRef: "f", name: "load.bin", size, partSize: FIRST.length, parts }],
    });
  const checksums = await Promise.all(PARTS.map(crc64nvme));
  const whole = await crc64nvme(Buffer.concat(PARTS));
  const parts = checksums.map((checksum, index) => ({ partNumber: index + 1, crc64nvme: checksum }));
  const large = opened(await text(origin, initiate(LARGE)));
  const agent = new Agent({ connections: null });

  const small = randomBytes(10_000);
  const smallPart = { partNumber: 1, crc64nvme: await crc64nvme(small) };
  return {
    origin,
    sign(count) {
      const wanted = Array.from({ length: count }, (_, index) => ({ ...smallPart, partNumber: index + 1 }));
      return post(`/v1/uploads/${large.uploadId}/parts`, { ticket: large.ticket, parts: wanted });
    },
    /** What is answered without any work: the public keys. */
    nothing: { method: "GET", path: "/.well-known/jwks.json" },
    initiate: () => initiate(FIRST.length + LAST.length),
    opened,
    async send({ uploadId, ticket }) {
      const { urls } = JSON.parse(
        await text(origin, post(`/v1/uploads/${uploadId}/parts`, { ticket, parts, crc64nvme: whole })),
      );
      for (const [index, { url, headers: signed }] of urls.entries()) await put(url, PARTS[index], signed);
    },
    complete: ({ uploadId, ticket }) =>
      post(`/v1/uploads/${uploadId}/complete`, { ticket, crc64nvme: whole }),

    initiateSmall: () => initiate(small.length, [smallPart]),

    /** A small file, opened, signed for, sent and completed with nobody waiting for anybody. */
    openSmall: async () => opened(await text(origin, initiate(small.length, [smallPart]), agent)),
    sendSmall: ({ urls: [{ url, headers: signed }] }) => put(url, small, signed, agent),
    async completeSmall({ uploadId, ticket }) {
      const file = JSON.parse(
        await text(
          origin,
          post(`/v1/uploads/${uploadId}/complete`, { ticket, crc64nvme: smallPart.crc64nvme }),
          agent,
        ),
      );
      if (file.status !== "available") throw new Error(`the file is ${file.status}`);
    },
  };

  function opened(reply) {
    const [upload] = JSON.parse(reply).uploads;
    if (!upload.uploadId) throw new Error(JSON.stringify(upload.error));
    return upload;
  }
}

/** Uppy's Companion, with the session that a page would have. */
export async function callsOfCompanion(url) {
  const path = "/companion/s3/multipart";
  const create = { method: "POST", headers: JSON_TYPE, body: JSON.stringify(FILE) };
  const first = await send(url + path, create);
  const cookie = [first.headers["set-cookie"]].flat().join("; ").split(";")[0];
  const large = await first.body.json();
  const headers = { ...JSON_TYPE, cookie };
  const of = ({ uploadId, key }, what, query = {}) => ({
    headers,
    path: `${path}/${encodeURIComponent(uploadId)}/${what}?${new URLSearchParams({ key, ...query })}`,
  });
  const signOne = (upload, number) => ({ method: "GET", ...of(upload, number) });
  const etags = new WeakMap();
  return {
    origin: url,
    sign(count) {
      if (count === 1) return signOne(large, 1);
      const partNumbers = Array.from({ length: count }, (_, index) => index + 1).join(",");
      return { method: "GET", ...of(large, "batch", { partNumbers }) };
    },
    initiate: () => ({ ...create, path, headers }),
    opened: (reply) => JSON.parse(reply),
    async send(upload) {
      const parts = [];
      for (const [index, bytes] of PARTS.entries()) {
        const signed = JSON.parse(await text(url, signOne(upload, index + 1)));
        parts.push({ PartNumber: index + 1, ETag: await put(signed.url, bytes) });
      }
      etags.set(upload, parts);
    },
    complete: (upload) => ({
      method: "POST",
      ...of(upload, "complete"),
      body: JSON.stringify({ parts: etags.get(upload) }),
    }),
  };
}

const FILE = { filename: "load.bin", type: "application/octet-stream", metadata: {} };

async function text(origin, { path, ...options }, dispatcher) {
  const { statusCode, body } = await send(origin + path, { ...options, dispatcher });
  const said = await body.text();
  if (statusCode !== 200) throw new Error(`${options.method} ${path.split("?")[0]}: ${statusCode} ${said}`);
  return said;
}

async function put(url, body, headers = {}, dispatcher) {
  const answer = await send(url, { method: "PUT", headers, body, dispatcher });
  const said = await answer.body.text();
  if (answer.statusCode !== 200) throw new Error(`storage: ${answer.statusCode} ${said}`);
  return answer.headers.etag;
}

async function crc64nvme(bytes) {
  const checksum = new Crc64NvmeJs();
  checksum.update(bytes);
  return Buffer.from(await checksum.digest()).toString("base64");
}
