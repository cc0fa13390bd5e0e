// Files whose page is gone after their last byte: the workspace's alarm finalizes what storage proves.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  PART,
  allParts,
  contentOf,
  crc64nvme,
  eventually,
  noise,
  partOf,
  put,
  useStack,
} from "./support.mjs";

describe("a file whose page has gone", () => {
  const stack = useStack({ vars: { FINALIZE_AFTER_SECONDS: "2" } });

  const status = async (client, { fileId }) => (await client.ask("GET", `/v1/files/${fileId}`)).status;

  /** Signs and sends all parts; the request for their URLs states the whole's checksum, unless told otherwise. */
  async function send(client, grant, bytes, stated) {
    const parts = [];
    for (const partNumber of allParts(grant))
      parts.push({ partNumber, crc64nvme: await crc64nvme(partOf(grant, bytes, partNumber)) });
    const body = { ticket: grant.ticket, parts, ...stated };
    const { urls } = await client.ask("POST", `/v1/uploads/${grant.uploadId}/parts`, { body });
    for (const url of urls) assert.equal((await put(url, partOf(grant, bytes, url.partNumber))).status, 200);
  }

  test("becomes available in parts as in one request, once and for everybody", async () => {
    const client = await stack.guest();
    for (const bytes of [noise(2 * PART + 7), noise(100)]) {
      const whole = await crc64nvme(bytes);
      const grant = await client.open(bytes, { partSize: PART });
      await send(client, grant, bytes, { crc64nvme: whole });
      assert.equal(await status(client, grant), "uploading");
      const isAvailable = async () => (await status(client, grant)) === "available";
      await eventually(isAvailable, "the alarm finalizes it", 30_000);

      const file = await client.complete(grant, { crc64nvme: whole });
      assert.equal(file.checksum.crc64nvme, whole);
      assert.ok((await contentOf(client, file)).equals(bytes));
    }
    const { changes } = await client.changes();
    assert.deepEqual(
      changes.map(({ kind }) => kind),
      ["file.uploading", "file.available", "file.uploading", "file.available"],
    );
  });

  test("is left as it is where nobody stated what it has to be, or a part is missing", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 1);
    const unstated = await client.open(bytes, { partSize: PART });
    await send(client, unstated, bytes);
    const other = await client.open(bytes, { partSize: PART });
    const parts = [{ partNumber: 1, crc64nvme: await crc64nvme(partOf(other, bytes, 1)) }];
    const body = { ticket: other.ticket, parts, crc64nvme: await crc64nvme(bytes) };
    const { urls } = await client.ask("POST", `/v1/uploads/${other.uploadId}/parts`, { body });
    assert.equal((await put(urls[0], partOf(other, bytes, 1))).status, 200);
    await new Promise((resolve) => setTimeout(resolve, 7_000));
    assert.deepEqual(
      [await status(client, unstated), await status(client, other)],
      ["uploading", "uploading"],
    );
  });
});
