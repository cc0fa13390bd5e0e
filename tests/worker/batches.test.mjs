import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { PART, assertProblem, crc64nvme, noise, put, useStack } from "./support.mjs";

const stack = useStack();

describe("completing several uploads in one request", () => {
  test("a hundred small files become available in one call, in the order asked", async () => {
    const client = await stack.guest();
    const uploads = await sentFiles(client, 100);
    const results = await completeAll(client, uploads);
    for (const [index, { uploadId, file, error }] of results.entries()) {
      assert.equal(error, undefined);
      assert.equal(uploadId, uploads[index].uploadId);
      assert.equal(file.fileId, uploads[index].fileId);
      assert.equal(file.status, "available");
      assert.equal(file.checksum.crc64nvme, uploads[index].crc64nvme);
    }
    const { changes, seq } = await client.changes(100);
    assert.equal(seq, 200);
    assert.deepEqual(
      changes.map(({ kind, file }) => [kind, file.fileId]),
      uploads.map(({ fileId }) => ["file.available", fileId]),
    );
  });

  test("one and several parts go together", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 9);
    const grant = await client.open(bytes, { partSize: PART });
    const parts = await client.sendParts(grant, bytes);
    const [single] = await sentFiles(client, 1);
    const results = await completeAll(client, [{ ...grant, parts }, single]);
    assert.deepEqual(
      results.map(({ file }) => file?.status),
      ["available", "available"],
    );
    assert.equal(results[0].file.checksum.crc64nvme, await crc64nvme(bytes));
  });

  test("each is judged for itself: fine, missing, too long, foreign, unknown, ended, before", async () => {
    const client = await stack.guest();
    const [fine, aborted, before, damaged] = await sentFiles(client, 4);
    await client.ask("DELETE", `/v1/uploads/${aborted.uploadId}`);
    const earlier = await client.complete(before, { crc64nvme: before.crc64nvme });
    const missing = await client.open(noise(5));
    const foreign = (await sentFiles(await stack.guest(), 1))[0];
    const neighbour = (await sentFiles(await stack.guest(client.workspace), 1))[0];
    const wanted = [
      [fine, undefined],
      [missing, "parts_missing"],
      [aborted, "upload_gone"],
      [before, undefined],
      [foreign, "not_found"],
      [neighbour, "forbidden"],
      [{ ...damaged, crc64nvme: await crc64nvme(noise(9)) }, "checksum_mismatch"],
      [{ ...fine, uploadId: "0123456789abcdef0123456789abcdef" }, "invalid_request"],
      [{ uploadId: missing.fileId, ticket: "forged" }, "invalid_request"],
    ];
    const response = await completeBatch(
      client,
      wanted.map(([upload]) => upload),
    );
    assert.equal(response.status, 200);
    const { uploads: results } = await response.json();
    for (const [index, [upload, code]] of wanted.entries()) {
      const { uploadId, file, error } = results[index];
      assert.equal(uploadId, upload.uploadId);
      assert.equal(error?.code, code, JSON.stringify(results[index]));
      assert.equal(file?.status, code ? undefined : "available");
      if (code) assert.equal(error.requestId, response.headers.get("x-request-id"));
    }
    assert.deepEqual(results[1].error.parts, [1]);
    assert.deepEqual(results[3].file, earlier);
  });

  test("repeated, and at once, it answers the same", async () => {
    const client = await stack.guest();
    const uploads = await sentFiles(client, 10);
    const replies = await Promise.all(Array.from({ length: 4 }, () => completeAll(client, uploads)));
    replies.push(await completeAll(client, uploads.toReversed()).then((results) => results.toReversed()));
    for (const reply of replies) assert.deepEqual(reply, replies[0]);
    assert.equal((await client.changes()).seq, 20);
  });

  test("an upload that comes twice, none, and too many are refused as a whole", async () => {
    const client = await stack.guest();
    const [upload] = await sentFiles(client, 1);
    for (const uploads of [[], [upload, upload], Array.from({ length: 101 }, () => upload)]) {
      await assertProblem(await completeBatch(client, uploads), "invalid_request");
    }
    for (const body of ["{}", "[]", '{"uploads":[{}]}', "", " ".repeat(2 * 1024 * 1024 + 1)]) {
      await client.refused("invalid_request", "POST", "/v1/uploads/complete", { body });
    }
    await client.refused("invalid_request", "GET", "/v1/uploads/complete");
    await client.refused("unauthenticated", "POST", "/v1/uploads/complete", { token: null });
    const reader = await stack.guest(client.workspace, "files:read");
    await assertProblem(await completeBatch(reader, [upload]), "forbidden");
  });

  test("racing aborts ends each upload one way, for everybody and in storage", async () => {
    const client = await stack.guest();
    const uploads = await sentFiles(client, 30);
    const completing = completeAll(client, uploads);
    const aborting = Promise.all(
      uploads.map(({ uploadId }) => client.ask("DELETE", `/v1/uploads/${uploadId}`)),
    );
    const [results, aborts] = await Promise.all([completing, aborting]);
    for (const [index, { status }] of aborts.entries()) {
      const { file, error } = results[index];
      assert.equal(file?.status ?? error.code, status === "available" ? status : "upload_gone");
    }
    const kept = aborts.filter(({ status }) => status === "available").length;
    assert.equal((await objects(client)).length, kept);
    assert.equal((await client.changes()).seq, 60);
  });

  test("while storage is down it asks to wait, and then goes on", async () => {
    const client = await stack.guest();
    const uploads = await sentFiles(client, 12);
    const [ended] = await sentFiles(client, 1);
    await client.complete(ended);
    await stack.s3.halt();
    try {
      const response = await completeBatch(client, uploads);
      assert.ok(Number(response.headers.get("retry-after")) >= 1);
      const problem = await assertProblem(response, "storage_unavailable");
      assert.equal(problem.status, 503);
      // What needs no storage is answered all the same.
      const [first, second] = await completeAll(client, [ended, uploads[0]]);
      assert.equal(first.file.status, "available");
      assert.equal(second.error.code, "storage_unavailable");
      assert.ok(second.error.retryAfter >= 1);
    } finally {
      await stack.s3.resume();
    }
    for (const { file } of await completeAll(client, uploads)) assert.equal(file.status, "available");
  });
});

/** Initiates `count` small files in one request and sends their bytes. */
async function sentFiles(client, count) {
  const files = [];
  for (let index = 0; index < count; index++) {
    const bytes = noise(64 + index);
    files.push({ bytes, crc64nvme: await crc64nvme(bytes) });
  }
  const uploads = await client.initiate(
    files.map(({ bytes, crc64nvme }, index) => ({
      clientRef: `${index}`,
      name: `${index}.bin`,
      size: bytes.length,
      parts: [{ partNumber: 1, crc64nvme }],
    })),
  );
  await Promise.all(
    uploads.map(async ({ urls }, index) =>
      assert.equal((await put(urls[0], files[index].bytes)).status, 200),
    ),
  );
  return uploads.map((upload, index) => ({ ...upload, crc64nvme: files[index].crc64nvme }));
}

function completeBatch(client, uploads) {
  const wanted = uploads.map(({ uploadId, ticket, crc64nvme, parts }) => ({
    uploadId,
    ticket,
    crc64nvme,
    parts,
  }));
  return client.send("POST", "/v1/uploads/complete", { body: { uploads: wanted } });
}

async function completeAll(client, uploads) {
  const response = await completeBatch(client, uploads);
  const reply = await response.json();
  assert.equal(response.status, 200, JSON.stringify(reply));
  assert.equal(reply.uploads.length, uploads.length);
  return reply.uploads;
}

async function objects({ workspace }) {
  const listing = new ListObjectsV2Command({ Bucket: stack.s3.bucket, Prefix: `${workspace}/` });
  return (await stack.s3.client.send(listing)).Contents ?? [];
}
