// Only what changed travels: an upload that its client cuts, parts that storage copies out of another file, and what tells
// which those are.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MIB, PART, contentOf, crc64nvme, noise, put, useStack } from "./support.mjs";

/** Begins an upload that the client cuts as it likes. */
function openFreely(client, bytes, more) {
  return client.open(bytes, { layout: "free", ...more });
}

/** Sends parts, each given by its number and its bytes; gives what Complete is told of them. */
async function send(client, grant, pieces) {
  const parts = [];
  for (const [partNumber, bytes] of pieces) parts.push({ partNumber, crc64nvme: await crc64nvme(bytes) });
  for (const [index, url] of (await client.sign(grant, parts)).entries()) {
    const response = await put(url, pieces[index][1]);
    assert.equal(response.status, 200, await response.text());
    parts[index].etag = response.headers.get("etag");
  }
  return parts;
}

/** Has storage copy ranges, each given by part number, offset and length. */
async function copy(client, grant, from, ranges) {
  const parts = ranges.map(([partNumber, offset, length]) => ({ partNumber, offset, length }));
  const body = { ticket: grant.ticket, from: from.fileId, parts };
  return (await client.ask("POST", `/v1/uploads/${grant.uploadId}/copies`, { body })).parts;
}

describe("a file of which only a part is new", () => {
  const stack = useStack();

  test("is made of ranges of another one and of what is sent", async () => {
    const client = await stack.guest();
    const old = noise(24 * MIB);
    const base = await client.upload(old, { name: "film.mov", partSize: PART });
    const fresh = noise(6 * MIB + 11);
    const bytes = Buffer.concat([old.subarray(0, 9 * MIB + 3), fresh, old.subarray(11 * MIB)]);
    const grant = await openFreely(client, bytes, { name: "film.mov" });
    assert.deepEqual(
      [grant.kind, grant.partSize, grant.partCount],
      ["multipart", PART, Math.ceil(bytes.length / PART)],
    );

    const copied = await copy(client, grant, base, [
      [1, 0, 9 * MIB + 3],
      [3, 11 * MIB, 13 * MIB],
    ]);
    assert.deepEqual(
      copied.map(({ partNumber, crc64nvme }) => [partNumber, crc64nvme]),
      [
        [1, await crc64nvme(old.subarray(0, 9 * MIB + 3))],
        [3, await crc64nvme(old.subarray(11 * MIB))],
      ],
    );
    const sent = await send(client, grant, [[2, fresh]]);
    const told = { crc64nvme: await crc64nvme(bytes), parts: [...copied, ...sent] };
    const file = await client.complete(grant, told);
    assert.deepEqual(
      [file.status, file.size, file.checksum.crc64nvme],
      ["available", bytes.length, told.crc64nvme],
    );
    assert.ok((await contentOf(client, file)).equals(bytes));
    assert.ok((await contentOf(client, base)).equals(old));
  });
});
