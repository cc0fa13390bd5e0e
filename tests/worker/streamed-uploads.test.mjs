// Uploads that are begun without a size, as a stream's are: parts go while it is written, and the size comes with Complete.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import {
  PART,
  allParts,
  contentOf,
  crc64nvme,
  eventually,
  hashed,
  mintedClient,
  multipartUploads,
  noise,
  objects,
  partOf,
  put,
  useStack,
} from "./support.mjs";

const SECRET = "backend";
const AUTH_CLIENTS = JSON.stringify([
  { id: "b", secretHash: hashed(SECRET), scopes: ["files:read", "files:write"], workspaces: ["*"] },
]);

/** Begins an upload whose size nobody knows yet. */
function begin(client, more) {
  return client.open({}, { name: "take.webm", partSize: PART, ...more });
}

/** Begins one and sends all its parts; gives what it is completed with, and the parts for it. */
async function sent(client, length) {
  const bytes = noise(length);
  const grant = await begin(client);
  const numbers = allParts({ partCount: Math.ceil(length / PART) });
  const parts = await client.sendParts(grant, bytes, numbers);
  return { bytes, grant, whole: { size: length, crc64nvme: await crc64nvme(bytes) }, parts };
}

/** How many multipart uploads and objects storage has of a workspace. */
async function stored(stack, client) {
  return [(await multipartUploads(stack, client)).length, (await objects(stack, client)).length];
}

describe("an upload without a size", () => {
  const stack = useStack();

  test("sends its parts, and is available with the size that it is completed with", async () => {
    const client = await stack.guest();
    const bytes = noise(2 * PART + 7);
    const first = [{ partNumber: 1, crc64nvme: await crc64nvme(bytes.subarray(0, PART)) }];
    const grant = await begin(client, { parts: first });
    assert.deepEqual([grant.kind, grant.partSize, grant.partCount], ["multipart", PART, 10_000]);
    assert.equal((await put(grant.urls[0], bytes.subarray(0, PART))).status, 200);
    const parts = [...first, ...(await client.sendParts(grant, bytes, [2, 3]))];
    assert.equal((await client.ask("GET", `/v1/files/${grant.fileId}`)).size, 0);

    const told = { size: bytes.length, crc64nvme: await crc64nvme(bytes), parts };
    const file = await client.complete(grant, told);
    assert.deepEqual([file.status, file.size], ["available", bytes.length]);
    assert.equal(file.checksum.crc64nvme, told.crc64nvme);
    assert.deepEqual(await client.complete(grant, told), file, "told twice");
    assert.ok((await contentOf(client, file)).equals(bytes));
    assert.deepEqual(await client.sizesTold(), [
      ["file.uploading", 0],
      ["file.available", bytes.length],
    ]);
    assert.deepEqual(await stored(stack, client), [0, 1]);
  });

  for (const [what, length] of [
    ["of fewer bytes than a part", 1000],
    ["of exactly two parts", 2 * PART],
  ]) {
    test(`${what} is a file as well`, async () => {
      const client = await stack.guest();
      const { bytes, grant, whole, parts } = await sent(client, length);
      const file = await client.complete(grant, { ...whole, parts });
      assert.equal(file.checksum.crc64nvme, whole.crc64nvme);
      assert.ok((await contentOf(client, file)).equals(bytes));
    });
  }

  test("goes on under a new ticket after a crash, from what storage holds", async () => {
    const client = await stack.guest();
    const bytes = noise(2 * PART + 7);
    const grant = await begin(client);
    await client.sendParts(grant, bytes, [1, 2]);
    const path = `/v1/uploads/${grant.uploadId}`;
    const { ticket, parts, partSize, partCount, status } = await client.ask("GET", path);
    assert.deepEqual([status, partSize, partCount], ["uploading", PART, 10_000]);
    assert.deepEqual(
      parts.map(({ partNumber, size }) => [partNumber, size]),
      [
        [1, PART],
        [2, PART],
      ],
    );
    const resumed = { ...grant, ticket };
    await client.sendParts(resumed, bytes, [3]);
    const file = await client.complete(resumed, { size: bytes.length, crc64nvme: await crc64nvme(bytes) });
    assert.ok((await contentOf(client, file)).equals(bytes));
  });

  test("is refused where storage holds something else, and completed once that is mended", async () => {
    const client = await stack.guest();
    const bytes = noise(2 * PART + 7);
    const grant = await begin(client);
    await client.sendParts(grant, bytes, [1, 3]);
    const whole = { size: bytes.length, crc64nvme: await crc64nvme(bytes) };
    assert.deepEqual((await client.completeRefused("parts_missing", grant, whole)).parts, [2]);
    const larger = { ...grant, partSize: PART + 1 };
    await client.sendParts(larger, noise(2 * PART + 2), [2]);
    assert.deepEqual((await client.completeRefused("part_size_mismatch", grant, whole)).parts, [2]);
    const [{ etag }] = await client.sendParts(grant, bytes, [2]);
    // SeaweedFS lists both, in any order: the client says which.
    const mended = { ...whole, parts: [{ partNumber: 2, etag }] };
    for (const size of [bytes.length - 1, bytes.length + 1]) {
      const { parts } = await client.completeRefused("part_size_mismatch", grant, { ...mended, size });
      assert.deepEqual(parts, [3]);
    }
    // Two of its parts would be a file as well, but not all that was sent.
    const crcOfTwo = await crc64nvme(bytes.subarray(0, 2 * PART));
    const short = { ...mended, size: 2 * PART, crc64nvme: crcOfTwo };
    assert.deepEqual((await client.completeRefused("part_size_mismatch", grant, short)).parts, [3]);
    await client.completeRefused("invalid_request", grant, { crc64nvme: whole.crc64nvme });
    await client.completeRefused("checksum_mismatch", grant, { ...mended, crc64nvme: crcOfTwo });
    const file = await client.complete(grant, mended);
    assert.ok((await contentOf(client, file)).equals(bytes));
  });

  test("is given up by its client, and nothing of it stays", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 1);
    const grant = await begin(client);
    await client.sendParts(grant, bytes, [1]);
    assert.deepEqual(await stored(stack, client), [1, 0]);
    const { status } = await client.ask("DELETE", `/v1/uploads/${grant.uploadId}`);
    assert.equal(status, "aborted");
    assert.deepEqual(await stored(stack, client), [0, 0]);
    await client.completeRefused("upload_gone", grant, { size: bytes.length });
  });

  test("answers the same upload under the same idempotency key", async () => {
    const client = await stack.guest();
    const key = { "idempotency-key": "take 1" };
    const [{ uploadId }, again] = [
      await client.open({}, { name: "take.webm" }, key),
      await client.open({}, { name: "take.webm" }, key),
    ];
    assert.equal(again.uploadId, uploadId);
    const body = { files: [{ clientRef: "f", name: "take.webm", size: 1 }] };
    await client.refused("conflict", "POST", "/v1/uploads", { body, headers: key });
  });
});

describe("an upload without a size, beyond a limit", () => {
  const stack = useStack({ vars: { AUTH_CLIENTS } });

  const minted = (limits) => mintedClient(stack, { client_id: "b", client_secret: SECRET }, limits);

  test("of a file's size is told at the first part too many, or at its end, and leaves nothing", async () => {
    const client = await minted({ max_file_size: `${PART + 10}` });
    const { grant, whole } = await sent(client, PART + 11);
    assert.equal(grant.partCount, 2);
    const path = `/v1/uploads/${grant.uploadId}/parts`;
    const body = { ticket: grant.ticket, parts: [{ partNumber: 3 }] };
    await client.refused("file_too_large", "POST", path, { body });
    await client.completeRefused("file_too_large", grant, whole);
    assert.deepEqual(await stored(stack, client), [0, 0]);
    await client.completeRefused("upload_gone", grant, whole);
  });

  test("of what its owner may keep is told at its end, and leaves nothing", async () => {
    const client = await minted({ max_bytes: `${PART + 10}` });
    const { grant: late, whole: beyond } = await sent(client, 11);
    const { grant: first, whole } = await sent(client, PART);
    await client.complete(first, whole);
    await client.completeRefused("quota_exceeded", late, beyond);
    assert.deepEqual(await stored(stack, client), [0, 1]);
    // It was counted no further: what fits is taken.
    const { grant: fitting, whole: rest } = await sent(client, 10);
    assert.equal((await client.complete(fitting, rest)).size, 10);
  });
});

describe("an upload without a size, past its time", () => {
  const stack = useStack({
    vars: { UPLOAD_TTL_SECONDS: "4", UPLOAD_MAX_LIFETIME_SECONDS: "4", URL_TTL_SECONDS: "4" },
  });

  test("expires, and its storage is freed", async () => {
    const client = await stack.guest();
    const grant = await begin(client);
    await client.sendParts(grant, noise(PART), [1]);
    const isExpired = async () => (await client.ask("GET", `/v1/files/${grant.fileId}`)).status === "expired";
    await eventually(isExpired, "it expires", 60_000);
    const isFreed = async () => String(await stored(stack, client)) === "0,0";
    await eventually(isFreed, "nothing is left in storage", 60_000);
    await client.completeRefused("upload_gone", grant, { size: PART });
  });
});

describe("an upload without a size, where storage proves content by MD5", () => {
  const stack = useStack({ vars: { S3_CHECKSUM: "md5" } });

  test("is proven by what its parts' digests make", async () => {
    const client = await stack.guest();
    const bytes = noise(2 * PART + 7);
    const grant = await begin(client);
    assert.equal(grant.checksum, "md5");
    const digest = (data) => createHash("md5").update(data).digest("base64");
    const parts = [1, 2, 3].map((partNumber) => ({
      partNumber,
      md5: digest(partOf(grant, bytes, partNumber)),
    }));
    for (const url of await client.sign(grant, parts))
      assert.equal((await put(url, partOf(grant, bytes, url.partNumber))).status, 200);
    const damaged = parts.with(0, { partNumber: 1, md5: parts[1].md5 });
    await client.completeRefused("checksum_mismatch", grant, { size: bytes.length, parts: damaged });
    const file = await client.complete(grant, { size: bytes.length, parts });
    assert.deepEqual([file.status, file.size], ["available", bytes.length]);
    assert.ok((await contentOf(client, file)).equals(bytes));
  });
});
