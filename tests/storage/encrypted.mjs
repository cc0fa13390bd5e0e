// SSE-KMS and temporary credentials, on the one server here that has both: Ceph, with keys of its own for encryption and
// its Security Token Service.

import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { after } from "node:test";
import { HeadObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { Client, PART, noise, partOf } from "../worker/support.mjs";
import { claimsOf, contentOf, deliver, on } from "./support.mjs";

const KINDS = [
  ["single", 1000, false],
  ["single", 1000, true],
  ["multipart", PART + 9, false],
];

/** Registers the tests for one server. */
export function encryptionTests(server) {
  let coordinator;
  after(() => coordinator?.stop());

  on(
    server,
    "a file in parts is encrypted by the operator's key and reads back; one request is refused by name",
    async () => {
      await start({ S3_OBJECT_HEADERS: encryption(server.s3), S3_CHECKSUM: "none" });
      const client = await Client.guest(coordinator.url, "vault");
      for (const [kind, size, forms] of KINDS) {
        const bytes = noise(size);
        const grant = await client.open(bytes, { partSize: PART, forms, integrity: "none" });
        assert.equal(grant.kind, kind);
        await send(client, grant, bytes);
        if (kind === "single") {
          // It is copied into its place, and Ceph 16 copies nothing that is encrypted.
          const refused = await client.completeRefused("storage_refused", grant);
          assert.match(refused.detail, /NotImplemented/);
          continue;
        }
        const file = await client.complete(grant);
        assert.equal(file.status, "available");
        assert.deepEqual(await contentOf(client, file), bytes);
        const [{ Key }] = await stored(server.s3, file.fileId);
        const { client: storage, bucket, kmsKey } = server.s3;
        const head = await storage.send(new HeadObjectCommand({ Bucket: bucket, Key }));
        assert.deepEqual([head.ServerSideEncryption, head.SSEKMSKeyId], ["aws:kms", kmsKey]);
      }
    },
  );

  on(
    server,
    "SSE-KMS beside S3_CHECKSUM=md5 is refused by name, for ETags are no digests there",
    async () => {
      await start({ S3_OBJECT_HEADERS: encryption(server.s3) });
      const client = await Client.guest(coordinator.url, "vault");
      const [large, small] = [noise(PART + 9), noise(1000)];
      const plan = { partSize: PART, partCount: 2 };
      const parts = await claimsOf(plan, large, "md5", [1]);
      const files = [{ clientRef: "f", name: "f", size: large.length, partSize: PART, parts }];
      const refused = await client.refused("storage_refused", "POST", "/v1/uploads", { body: { files } });
      assert.match(refused.detail, /S3_CHECKSUM has to be crc64nvme/);
      const claims = await claimsOf({ partSize: PART, partCount: 1 }, small, "md5");
      const grant = await client.open(small, { parts: claims });
      assert.ok((await deliver(grant.urls[0], small)).ok);
      await client.completeRefused("checksum_mismatch", grant, { parts: claims });
    },
  );

  on(
    server,
    "a temporary key with its session token uploads, reads and removes; without the token it is refused",
    async () => {
      const key = await assumedRole(server.s3);
      await start({ S3_SESSION_TOKEN: undefined }, key);
      assert.equal((await fetch(`${coordinator.url}/healthz`)).status, 500);

      await start({ S3_SESSION_TOKEN: key.sessionToken }, key);
      assert.equal((await fetch(`${coordinator.url}/healthz`)).status, 200);
      const client = await Client.guest(coordinator.url, "temporary");
      for (const [kind, size, forms] of KINDS) {
        const bytes = noise(size);
        const parts = await claimsOf({ partSize: PART, partCount: size > PART ? 2 : 1 }, bytes, "md5");
        const grant = await client.open(bytes, { partSize: PART, forms, parts: parts.slice(0, 1) });
        assert.equal(grant.kind, kind);
        await send(client, grant, bytes, parts);
        const file = await client.complete(grant, { parts });
        assert.equal(file.status, "available");
        assert.deepEqual(await contentOf(client, file), bytes);
        await client.ask("DELETE", `/v1/files/${file.fileId}`);
        assert.deepEqual(await stored(server.s3, file.fileId), []);
      }
    },
  );

  async function start(vars, key = {}) {
    await coordinator?.stop();
    coordinator = await startCoordinator({
      s3: { ...server.s3, ...key },
      vars: { ...server.vars, ...vars },
      assets: false,
    });
  }
}

function encryption(s3) {
  return JSON.stringify({
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": s3.kmsKey,
  });
}

async function stored(s3, fileId) {
  const { Contents = [] } = await s3.client.send(new ListObjectsV2Command({ Bucket: s3.bucket }));
  return Contents.filter(({ Key }) => Key.includes(fileId));
}

/**
 * Credentials for an hour, by `AssumeRole`.
 * Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
 */
async function assumedRole(s3) {
  const action = { Action: "AssumeRole", Version: "2011-06-15", RoleArn: s3.role, RoleSessionName: "tests" };
  const body = new URLSearchParams(action).toString();
  const response = await fetch(s3.endpoint, { method: "POST", headers: signed(s3, body), body });
  const xml = await response.text();
  assert.equal(response.status, 200, xml);
  const told = (element) => new RegExp(`<${element}>([^<]+)<`).exec(xml)[1];
  return {
    accessKeyId: told("AccessKeyId"),
    secretAccessKey: told("SecretAccessKey"),
    sessionToken: told("SessionToken"),
  };
}

/** Sends all parts, each as the coordinator signs it for these claims. */
async function send(client, grant, bytes, claims) {
  const numbers = Array.from({ length: grant.partCount }, (_, index) => ({ partNumber: index + 1 }));
  for (const url of await client.sign(grant, claims ?? numbers)) {
    const reply = await deliver(url, partOf(grant, bytes, url.partNumber));
    assert.ok(reply.ok, await reply.text());
  }
}

/** Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
function signed(s3, body) {
  const sha256 = (text) => createHash("sha256").update(text).digest("hex");
  const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
  const moment = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const scope = `${moment.slice(0, 8)}/${s3.region}/sts/aws4_request`;
  const headers = {
    "content-type": "application/x-www-form-urlencoded",
    host: new URL(s3.endpoint).host,
    "x-amz-date": moment,
  };
  const names = Object.keys(headers).join(";");
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}`);
  const request = ["POST", "/", "", ...lines, "", names, sha256(body)].join("\n");
  const key = scope.split("/").reduce(hmac, `AWS4${s3.secretAccessKey}`);
  const signature = hmac(key, ["AWS4-HMAC-SHA256", moment, scope, sha256(request)].join("\n"));
  const credential = `Credential=${s3.accessKeyId}/${scope}`;
  const authorization = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names}, Signature=${signature.toString("hex")}`;
  return { ...headers, authorization };
}
