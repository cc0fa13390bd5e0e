// The S3 server of the demo and the tests: real storage on ports of its own, gone without a trace when it is stopped.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { startSeaweed } from "../../stack/seaweed.mjs";

const running = [];
after(() => Promise.all(running.map((server) => server.stop())));

async function seaweed(options) {
  const server = await startSeaweed(options);
  running.push(server);
  return server;
}

const put = (server, Key, Body) =>
  server.client.send(new PutObjectCommand({ Bucket: server.bucket, Key, Body }));

async function get(server, Key) {
  const { Body } = await server.client.send(new GetObjectCommand({ Bucket: server.bucket, Key }));
  return await Body.transformToString();
}

test("two servers run side by side and share nothing", async () => {
  const [one, other] = await Promise.all([seaweed(), seaweed()]);
  assert.notEqual(one.endpoint, other.endpoint);
  assert.notEqual(one.secretAccessKey, other.secretAccessKey);
  await put(one, "greeting", "hello");
  assert.equal(await get(one, "greeting"), "hello");
  await assert.rejects(get(other, "greeting"), { name: "NoSuchKey" });
});

test("browsers may send parts with their checksum and read the reply's", async () => {
  const server = await seaweed();
  const preflight = await fetch(`${server.endpoint}/${server.bucket}/key?partNumber=1&uploadId=u`, {
    method: "OPTIONS",
    headers: {
      origin: "http://localhost:8787",
      "access-control-request-method": "PUT",
      "access-control-request-headers": "x-amz-checksum-crc64nvme",
    },
  });
  assert.equal(preflight.status, 200);
  assert.match(preflight.headers.get("access-control-allow-methods"), /PUT/);
  assert.match(preflight.headers.get("access-control-allow-headers"), /x-amz-checksum-crc64nvme/);
  assert.match(preflight.headers.get("access-control-expose-headers"), /ETag/);
});

test("an outage keeps what is stored, the address and the credentials", async () => {
  const server = await seaweed();
  await put(server, "kept", "through the outage");
  await server.halt();
  await assert.rejects(fetch(server.endpoint));
  await server.resume();
  assert.equal(await get(server, "kept"), "through the outage");
});

test("stopping removes the data, unless its folder was given", async () => {
  const folder = await mkdtemp(join(tmpdir(), "seaweed-test-"));
  const server = await startSeaweed({ dataDir: folder });
  await put(server, "kept", "in the given folder");
  await server.stop();
  assert.ok((await readdir(folder)).length > 0);

  const again = await seaweed({ dataDir: folder });
  assert.equal(await get(again, "kept"), "in the given folder");
  await again.stop();
  await rm(folder, { recursive: true });
  assert.ok(!existsSync(folder));
});
