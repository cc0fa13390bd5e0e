// What is available stays as it is, whichever URL somebody holds: real storage, with and without conditional writes.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { crc64nvme, eventually, noise, put, useStack } from "./support.mjs";

const MODES = {
  "written once (S3_CONDITIONAL_WRITES)": { vars: { S3_CONDITIONAL_WRITES: "on" }, states: true },
  "sent without a checksum": { vars: { S3_CONDITIONAL_WRITES: "on" } },
  "copied into its place": { vars: { S3_CONDITIONAL_WRITES: "off" }, states: true },
  "sent as a form": { vars: { S3_CONDITIONAL_WRITES: "on", S3_FORMS: "on" }, forms: true },
};

for (const [mode, { vars, states = false, forms = false }] of Object.entries(MODES)) {
  describe(`a file that is ${mode}`, () => {
    const stack = useStack({ vars });

    async function open(client, bytes) {
      const part = { partNumber: 1, crc64nvme: states ? await crc64nvme(bytes) : undefined };
      const grant = await client.open(bytes, { parts: [part], forms });
      return { grant, url: grant.urls[0] };
    }

    test("is replaced by nobody once it is available", async () => {
      const client = await stack.guest();
      const bytes = noise(1000);
      const { grant, url } = await open(client, bytes);
      assert.equal((await send(url, bytes)).ok, true);
      await client.complete(grant);

      const isConditional = "if-none-match" in url.headers;
      assert.equal(isConditional, states && vars.S3_CONDITIONAL_WRITES === "on");
      const again = await send(url, bytes, { "cache-control": "public, max-age=31536000" });
      assert.equal(again.status === 412, isConditional);
      const other = await send(url, noise(1000));
      // What is held to no checksum storage takes, and it goes nowhere.
      assert.equal(other.ok, !states);
      const download = await content(client, grant);
      assert.doesNotMatch(download.headers.get("cache-control"), /public/);
      assert.deepEqual(Buffer.from(await download.arrayBuffer()), bytes);
    });

    test("keeps nothing that its sender added to the request", async () => {
      const client = await stack.guest();
      const bytes = noise(100);
      const { grant, url } = await open(client, bytes);
      const added = { "cache-control": "public, max-age=31536000", "content-encoding": "br" };
      const sent = await send(url, bytes, added);
      assert.equal(sent.ok, true, await sent.text());
      await client.complete(grant);
      const download = await content(client, grant);
      assert.doesNotMatch(download.headers.get("cache-control") ?? "", /public/);
      assert.doesNotMatch(download.headers.get("content-encoding") ?? "", /br/);
      assert.deepEqual(Buffer.from(await download.arrayBuffer()), bytes);
    });
  });
}

describe("what was sent to another key than the file's", () => {
  const stack = useStack({ vars: { S3_CONDITIONAL_WRITES: "off", URL_TTL_SECONDS: "2" } });

  test("is removed once its URLs are dead, and after an abort at once", async () => {
    const client = await stack.guest();
    const bytes = noise(100);
    const finished = await client.open(bytes);
    await client.sendParts(finished, bytes);
    const { fileId } = await client.complete(finished);
    const given = await client.open(bytes);
    await client.sendParts(given, bytes);
    await client.ask("DELETE", `/v1/uploads/${given.uploadId}`);
    const keys = async () => {
      const Prefix = `${client.workspace}/`;
      const listed = new ListObjectsV2Command({ Bucket: stack.s3.bucket, Prefix });
      const { Contents = [] } = await stack.s3.client.send(listed);
      return Contents.map(({ Key }) => Key);
    };
    await eventually(async () => {
      const [key, ...more] = await keys();
      return more.length === 0 && key?.includes(fileId) && !key.endsWith(".incoming");
    }, "only the finished file is there");
  });
});

/** Sends bytes as a URL or a form wants them, with further headers. */
function send({ method, url, headers, fields }, bytes, more = {}) {
  if (method === "PUT") return put({ method, url, headers }, bytes, more);
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", new Blob([bytes]));
  return fetch(url, { method, body: form });
}

async function content(client, { fileId }) {
  const { headers } = await client.send("GET", `/v1/files/${fileId}/content`);
  return fetch(headers.get("location"));
}
