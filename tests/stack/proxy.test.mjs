// The bad network that other suites rely on does to requests what it was told, and nothing else.

import { after, before, beforeEach, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import assert from "node:assert/strict";
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { startProxy } from "../../stack/proxy.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";

const MIB = 1024 * 1024;
const BODY = Buffer.alloc(8 * MIB, 7);

let s3, proxy, client;

before(async () => {
  s3 = await startSeaweed();
  proxy = await startProxy({ target: s3.endpoint, keys: s3 });
  client = new S3Client({
    endpoint: proxy.endpoint,
    region: s3.region,
    credentials: { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey },
    forcePathStyle: true,
    maxAttempts: 1,
  });
});
after(async () => {
  client?.destroy();
  await proxy?.stop();
  await s3?.stop();
});
beforeEach(() => proxy.behave());

test("what is not spoilt passes unchanged, signature and name included", async () => {
  await put("a b/ü+%");
  const { Body } = await client.send(new GetObjectCommand({ Bucket: s3.bucket, Key: "a b/ü+%" }));
  assert.deepEqual(Buffer.from(await Body.transformToByteArray()), BODY);
  const [first] = proxy.requests;
  assert.equal(first.key, "a b/ü+%");
  assert.deepEqual([first.method, first.status, first.bytes], ["PUT", 200, BODY.length]);
});

test("an answer takes the place of storage's, at once or after some bytes", async () => {
  for (const afterBytes of [0, MIB]) {
    proxy.interfere(() => ({ kind: "answer", status: 503, code: "SlowDown", afterBytes }));
    await assert.rejects(put("refused"), { name: "SlowDown" });
  }
});

test("connections break before, within and after the request; only the last one stores", async () => {
  for (const fault of [{ kind: "reset" }, { kind: "reset", afterBytes: MIB }]) {
    proxy.interfere(() => fault);
    await assert.rejects(put("broken"), { code: "ECONNRESET" });
  }
  proxy.interfere(({ method }) => (method === "PUT" ? { kind: "lose-answer" } : undefined));
  await assert.rejects(put("stored all the same"), { code: "ECONNRESET" });
  const found = await client.send(new HeadObjectCommand({ Bucket: s3.bucket, Key: "stored all the same" }));
  assert.equal(found.ContentLength, BODY.length);
  await assert.rejects(client.send(new GetObjectCommand({ Bucket: s3.bucket, Key: "broken" })), {
    name: "NoSuchKey",
  });
});

test("rules see attempts counted, and a held request waits for its promise", async () => {
  let release;
  const held = new Promise((resolve) => (release = resolve));
  proxy.interfere(({ attempt }) => (attempt === 1 ? { kind: "reset" } : { kind: "hold", until: held }));
  await assert.rejects(put("counted"));
  const second = put("counted");
  release();
  await second;
  assert.deepEqual(
    proxy.requests.map(({ attempt, status }) => [attempt, status]),
    [
      [1, 0],
      [2, 200],
    ],
  );
});

test("bodies go at the speed asked for", async () => {
  for (const shape of [{ total: 16 * MIB }, { perConnection: 16 * MIB }]) {
    proxy.shape(shape);
    const start = performance.now();
    await put("slow");
    const seconds = (performance.now() - start) / 1000;
    assert.ok(seconds >= 0.45, `8 MiB at 16 MiB/s took ${seconds} s`);
  }
});

test("what is more than may pass waits until it may", async () => {
  proxy.shape({ most: 3 * MIB });
  const before = proxy.bytesReceived;
  const stored = put("held back");
  const received = () => proxy.bytesReceived - before;
  while (received() <= 3 * MIB) await delay(10);
  await delay(200);
  assert.ok(received() < 4 * MIB, `${received()} bytes were taken`);
  assert.deepEqual(proxy.requests, []);
  proxy.shape();
  await stored;
});

test("a halted proxy refuses connections and comes back at the same address", async () => {
  const { endpoint } = proxy;
  await proxy.halt();
  await assert.rejects(put("nobody home"), { code: "ECONNREFUSED" });
  await proxy.resume();
  assert.equal(proxy.endpoint, endpoint);
  await put("home again");
});

test("a blind one takes whatever checksum comes, keeps storage's to itself, and stores what was sent", async () => {
  const wrong = { Bucket: s3.bucket, Key: "damaged/ü (1)", Body: BODY, ChecksumCRC64NVME: "AAAAAAAAAAE=" };
  await assert.rejects(client.send(new PutObjectCommand(wrong)), { name: "BadDigest" });
  proxy.blind = true;
  try {
    await client.send(new PutObjectCommand(wrong));
    const look = { Bucket: s3.bucket, Key: wrong.Key, ChecksumMode: "ENABLED" };
    const found = await client.send(new HeadObjectCommand(look));
    assert.deepEqual([found.ContentLength, found.ChecksumCRC64NVME], [BODY.length, undefined]);
  } finally {
    proxy.blind = false;
  }
});

function put(Key) {
  return client.send(new PutObjectCommand({ Bucket: s3.bucket, Key, Body: BODY }));
}
