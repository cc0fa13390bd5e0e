// Only what changed travels: an upload that its client cuts, parts that storage copies out of another file, and what tells
// which those are.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { startProxy } from "../../stack/proxy.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";
import { Client, MIB, PART, contentOf, crc64nvme, noise, objects, useStack } from "./support.mjs";

/** Begins an upload that the client cuts as it likes. */
function openFreely(client, bytes, more) {
  return client.open(bytes, { layout: "free", ...more });
}

/** A file's content index of chunks of these lengths, packed as docs/api.md says. */
async function indexOf(bytes, lengths) {
  const entries = [Buffer.from([1, 1, 0, 0])];
  let offset = 0;
  for (const length of lengths) {
    const chunk = bytes.subarray(offset, (offset += length));
    const head = Buffer.alloc(4);
    head.writeUInt32BE(length);
    const pieces = [];
    for (let at = 0; at < length; at += MIB) pieces.push(sha256(chunk.subarray(at, at + MIB)));
    entries.push(head, Buffer.from(await crc64nvme(chunk), "base64"), sha256(Buffer.concat(pieces)));
  }
  return Buffer.concat(entries);
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest();
}

function stateChunks(client, { fileId }, packed) {
  const body = { chunks: packed.toString("base64") };
  return client.ask("PUT", `/v1/files/${fileId}/chunks`, { body });
}

function basesOf(client, body) {
  return client.ask("POST", "/v1/files/bases", { body });
}

const codesOf = (parts) => parts.map(({ error }) => error?.code);

describe("a file of which only a part is new", () => {
  const stack = useStack();

  test("is made of ranges of another one and of what is sent", async () => {
    const client = await stack.guest();
    const old = noise(24 * MIB);
    const base = await client.upload(old, { name: "film.mov", partSize: PART });
    const packed = await indexOf(old, [9 * MIB + 3, 6 * MIB - 3, 9 * MIB]);
    const { content } = await stateChunks(client, base, packed);
    assert.equal(content, sha256(packed).toString("base64"));
    const known = { fileId: base.fileId, version: 1, size: old.length, sameName: true };
    assert.deepEqual(await basesOf(client, { name: "film.mov", size: 1 }), {
      copies: true,
      equalParts: false,
      bases: [{ ...known, chunks: packed.toString("base64") }],
    });

    const fresh = noise(6 * MIB + 11);
    const bytes = Buffer.concat([old.subarray(0, 9 * MIB + 3), fresh, old.subarray(15 * MIB)]);
    const grant = await openFreely(client, bytes, { name: "film.mov", base: base.fileId });
    const most = Math.ceil(bytes.length / PART);
    assert.deepEqual([grant.kind, grant.partSize, grant.partCount], ["multipart", PART, most]);
    const copied = await client.copyParts(grant, base, [
      [1, 0, 9 * MIB + 3],
      [3, 15 * MIB, 9 * MIB],
    ]);
    assert.deepEqual(
      copied.map(({ partNumber, crc64nvme }) => [partNumber, crc64nvme]),
      [
        [1, await crc64nvme(old.subarray(0, 9 * MIB + 3))],
        [3, await crc64nvme(old.subarray(15 * MIB))],
      ],
    );
    const sent = await client.sendPieces(grant, [[2, fresh]]);
    const told = { crc64nvme: await crc64nvme(bytes), parts: [...copied, ...sent] };
    const file = await client.complete(grant, told);
    assert.deepEqual([file.status, file.size, file.version], ["available", bytes.length, 2]);
    assert.equal(file.checksum.crc64nvme, told.crc64nvme);
    assert.ok((await contentOf(client, file)).equals(bytes));
    assert.ok((await contentOf(client, base)).equals(old));
    const newest = await basesOf(client, { name: "film.mov", size: old.length, base: base.fileId });
    assert.deepEqual(
      newest.bases.map(({ fileId, chunks }) => [fileId, chunks !== undefined]),
      [
        [base.fileId, true],
        [file.fileId, false],
      ],
    );
  });

  test("goes on under a new ticket, and a part that is copied again is no other", async () => {
    const client = await stack.guest();
    const old = noise(12 * MIB);
    const base = await client.upload(old, { partSize: PART });
    const bytes = Buffer.concat([old.subarray(2 * MIB, 8 * MIB), old.subarray(0, 3)]);
    const grant = await openFreely(client, bytes);
    await client.copyParts(grant, base, [[1, 0, 6 * MIB]]);
    const { ticket, parts } = await client.ask("GET", `/v1/uploads/${grant.uploadId}`);
    assert.deepEqual(
      parts.map(({ partNumber, size }) => [partNumber, size]),
      [[1, 6 * MIB]],
    );
    const resumed = { ...grant, ticket };
    const copied = await client.copyParts(resumed, base, [
      [1, 2 * MIB, 6 * MIB],
      [2, 0, 3],
    ]);
    // SeaweedFS lists the first one twice: its ETag says which is meant.
    const told = { crc64nvme: await crc64nvme(bytes), parts: copied };
    const file = await client.complete(resumed, told);
    assert.ok((await contentOf(client, file)).equals(bytes));
  });

  test("is refused where it is not exactly what storage holds, and completed once that is mended", async () => {
    const client = await stack.guest();
    const bytes = noise(12 * MIB);
    const grant = await openFreely(client, bytes);
    const pieces = [
      [1, bytes.subarray(0, 7 * MIB)],
      [2, bytes.subarray(7 * MIB)],
    ];
    const parts = await client.sendPieces(grant, pieces);
    const whole = await crc64nvme(bytes);
    const refused = (code, body) => client.completeRefused(code, grant, body);
    await refused("invalid_request", { crc64nvme: whole });
    await refused("invalid_request", { parts });
    await refused("checksum_mismatch", { crc64nvme: parts[0].crc64nvme, parts });
    const one = await refused("part_size_mismatch", { crc64nvme: whole, parts: parts.slice(0, 1) });
    assert.deepEqual(one.parts, [2]);
    const three = [...parts, { ...parts[0], partNumber: 3 }];
    assert.deepEqual((await refused("parts_missing", { crc64nvme: whole, parts: three })).parts, [3]);
    const file = await client.complete(grant, { crc64nvme: whole, parts });
    assert.ok((await contentOf(client, file)).equals(bytes));
  });

  test("takes nothing from others, nor from what is deleted or was replaced", async () => {
    const client = await stack.guest();
    const other = await stack.guest(client.workspace);
    const old = noise(12 * MIB);
    const base = await client.upload(old, { name: "film.mov", partSize: PART });
    const packed = await indexOf(old, [6 * MIB, 6 * MIB]);
    await stateChunks(client, base, packed);

    const theirs = await openFreely(other, old);
    const range = { partNumber: 1, offset: 0, length: 6 * MIB };
    const copies = (grant, from) => [
      "POST",
      `/v1/uploads/${grant.uploadId}/copies`,
      { body: { ticket: grant.ticket, from, parts: [range] } },
    ];
    await other.refused("not_found", ...copies(theirs, base.fileId));
    await other.refused("not_found", ...copies(theirs, "nothing"));
    const chunks = packed.toString("base64");
    await other.refused("not_found", "PUT", `/v1/files/${base.fileId}/chunks`, { body: { chunks } });
    const told = await basesOf(other, { name: "film.mov", size: old.length, base: base.fileId });
    assert.deepEqual(told.bases, []);

    const grant = await openFreely(client, old);
    const [{ Key }] = (await objects(stack, client)).filter(({ Key: key }) => key.includes(base.fileId));
    const { s3 } = stack;
    await s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key, Body: noise(old.length) }));
    const ranges = [[1, 0, 6 * MIB]];
    assert.deepEqual(codesOf(await client.copyParts(grant, base, ranges)), ["not_found"], "replaced");
    await s3.client.send(new DeleteObjectCommand({ Bucket: s3.bucket, Key }));
    assert.deepEqual(codesOf(await client.copyParts(grant, base, ranges)), ["not_found"], "gone");
    await client.ask("DELETE", `/v1/files/${base.fileId}`);
    await client.refused("not_found", ...copies(grant, base.fileId));
    assert.deepEqual((await basesOf(client, { name: "film.mov", size: old.length })).bases, []);
  });

  test("has no index but its own", async () => {
    const client = await stack.guest();
    const bytes = noise(12 * MIB);
    const file = await client.upload(bytes, { partSize: PART });
    const right = await indexOf(bytes, [6 * MIB, 6 * MIB]);
    const wrong = Buffer.from(right);
    wrong[10] ^= 1;
    for (const [code, packed] of [
      ["invalid_request", right.subarray(0, 48)],
      ["invalid_request", await indexOf(bytes, [6 * MIB, 6 * MIB - 1])],
      ["checksum_mismatch", wrong],
    ]) {
      const body = { chunks: packed.toString("base64") };
      await client.refused(code, "PUT", `/v1/files/${file.fileId}/chunks`, { body });
    }
    await stateChunks(client, file, right);
  });
});

describe("on a storage that states no checksum of what it copies", () => {
  let s3, proxy, coordinator;
  before(async () => {
    s3 = await startSeaweed();
    proxy = await startProxy({ target: s3.endpoint, keys: s3 });
    coordinator = await startCoordinator({ s3: { ...s3, endpoint: proxy.endpoint }, assets: false });
  });
  after(async () => {
    await coordinator?.stop();
    await proxy?.stop();
    await s3?.stop();
  });

  test("each part is the client's to send", async () => {
    const client = await Client.guest(coordinator.url, "w");
    const old = noise(12 * MIB);
    const base = await client.upload(old, { partSize: PART });
    const grant = await openFreely(client, old);
    proxy.blind = true;
    const ranges = [[1, 0, 6 * MIB]];
    assert.deepEqual(codesOf(await client.copyParts(grant, base, ranges)), ["storage_refused"]);
    proxy.blind = false;
    assert.deepEqual(codesOf(await client.copyParts(grant, base, ranges)), [undefined]);
  });
});
