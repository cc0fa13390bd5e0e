// S3_BUCKETS: workspaces' files in buckets of their own, on a real S3 server. What was begun in a bucket stays there, also
// when the patterns have changed.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { setUpBucket } from "../../stack/s3-server.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";
import { Client, PART, contentOf, crc64nvme, eventually, noise } from "./support.mjs";

const BUCKETS = ["files-eu", "files-acme"];
const PATTERNS = "eu-*=files-eu,acme=files-acme";

let s3, durableDir, coordinator;
before(async () => {
  s3 = await startSeaweed();
  for (const bucket of BUCKETS) await setUpBucket(s3.client, bucket, ["*"]);
  durableDir = await mkdtemp(join(tmpdir(), "syncsphere-durable-"));
});
after(async () => {
  await coordinator?.stop();
  await s3?.stop();
  if (durableDir) await rm(durableDir, { recursive: true, force: true });
});

/** Starts the coordinator, or starts it anew with other patterns. */
async function start(patterns, vars) {
  await coordinator?.stop();
  coordinator = await startCoordinator({
    s3,
    durableDir,
    assets: false,
    vars: { S3_BUCKETS: patterns, S3_FORMS: "off", S3_CONDITIONAL_WRITES: "off", ...vars },
  });
}

/** The same client at the coordinator that runs now. */
function again(client) {
  return new Client(coordinator.url, client.token, client.workspace);
}

async function keys(bucket) {
  const keys = [];
  for await (const page of paginateListObjectsV2({ client: s3.client }, { Bucket: bucket })) {
    keys.push(...(page.Contents ?? []).map(({ Key }) => Key));
  }
  return keys.filter((key) => key !== "readiness-probe");
}

async function holds(bucket, fileId) {
  return (await keys(bucket)).some((key) => key.includes(fileId));
}

test("each workspace's files lie in its bucket, and stay where they are when patterns change", async () => {
  await start(PATTERNS);
  const placed = [];
  for (const [workspace, bucket] of [
    ["eu-north", "files-eu"],
    ["acme", "files-acme"],
    ["acme2", s3.bucket],
  ]) {
    const client = await Client.guest(coordinator.url, workspace);
    for (const bytes of [noise(1000), noise(PART + 7)]) {
      const { fileId, status } = await client.upload(bytes, { partSize: PART });
      assert.equal(status, "available");
      placed.push({ client, bucket, fileId, bytes });
    }
  }
  for (const { bucket, fileId } of placed) {
    for (const each of [s3.bucket, ...BUCKETS])
      assert.equal(await holds(each, fileId), each === bucket, each);
  }
  // One is under way while the patterns change.
  const halfway = noise(2 * PART);
  const [{ client: eu }] = placed;
  const grant = await eu.open(halfway, { partSize: PART });
  const [first] = await eu.sendParts(grant, halfway, [1]);

  await start("eu-*=files-acme");
  const [second] = await again(eu).sendParts(grant, halfway, [2]);
  const whole = { crc64nvme: await crc64nvme(halfway), parts: [first, second] };
  const { fileId } = await again(eu).complete(grant, whole);
  placed.push({ client: eu, bucket: "files-eu", fileId, bytes: halfway });
  const later = await again(eu).upload(noise(1000));
  assert.ok(await holds("files-acme", later.fileId));

  for (const { client, bucket, fileId, bytes } of placed) {
    assert.deepEqual(await contentOf(again(client), { fileId }), bytes);
    assert.equal(await holds(bucket, fileId), true);
    await again(client).ask("DELETE", `/v1/files/${fileId}`);
    assert.equal(await holds(bucket, fileId), false);
  }
});

test("a form is good for its workspace's bucket alone", async () => {
  await start(PATTERNS, { S3_FORMS: "on" });
  const client = await Client.guest(coordinator.url, "eu-north");
  const bytes = noise(1000);
  const checksum = await crc64nvme(bytes);
  const grant = await client.open(bytes, { forms: true, parts: [{ partNumber: 1, crc64nvme: checksum }] });
  const [{ method, url, fields }] = grant.urls;
  assert.equal(method, "POST");
  const post = (to) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append("file", new Blob([bytes]));
    return fetch(to, { method, body: form });
  };
  assert.equal((await post(url.replace("files-eu", "files-acme"))).status, 403);
  const sent = await post(url);
  assert.ok(sent.ok, await sent.text());
  const { fileId } = await client.complete(grant, { crc64nvme: checksum });
  assert.ok(await holds("files-eu", fileId));
  assert.deepEqual(await contentOf(client, { fileId }), bytes);
});

test("orphaned multipart uploads are found in every bucket", async () => {
  await start(PATTERNS, { ORPHAN_AGE_SECONDS: "2" });
  const client = await Client.guest(coordinator.url, "eu-north");
  await client.upload(noise(1));
  for (const Bucket of [s3.bucket, ...BUCKETS]) {
    await s3.client.send(
      new CreateMultipartUploadCommand({ Bucket, Key: `eu-north/${"0".repeat(32)}/a.bin` }),
    );
  }
  const open = async (Bucket) =>
    (await s3.client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads?.length ?? 0;
  const left = async () =>
    (await Promise.all([s3.bucket, ...BUCKETS].map(open))).reduce((sum, n) => sum + n, 0);
  assert.equal(await left(), 3);
  const worker = await coordinator.runtime.getWorker();
  await eventually(async () => {
    await worker.scheduled({ cron: "17 3 * * *" });
    return (await left()) === 0;
  }, "all three are aborted");
});

test("health names the variable whose bucket storage does not have", async () => {
  await start(`${PATTERNS},other=files-missing`);
  const response = await fetch(`${coordinator.url}/healthz`);
  assert.equal(response.status, 500);
  assert.match((await response.json()).detail, /S3_BUCKETS names a bucket that storage does not have/);
});
