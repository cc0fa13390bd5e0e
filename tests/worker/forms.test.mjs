// Whole objects as forms (POST policies): one preflight for all of them, and permission for exactly one object.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { PART, crc64nvme, noise, put, useStack } from "./support.mjs";

const stack = useStack({ vars: { S3_FORMS: "on" } });
const shortLived = useStack({ vars: { S3_FORMS: "on", URL_TTL_SECONDS: "1" } });

describe("an upload by form", () => {
  for (const size of [0, 1, 100_000]) {
    test(`a file of ${size} bytes becomes available with its checksum and media type`, async () => {
      const { client, grant, bytes, checksum } = await open(noise(size), { contentType: "text/plain" });
      const { method, url, headers } = grant.urls[0];
      assert.deepEqual([method, url, headers], ["POST", `${stack.s3.endpoint}/${stack.s3.bucket}/`, {}]);
      const reply = await post(grant.urls[0], bytes);
      assert.ok(reply.ok, await reply.text());
      const file = await client.complete(grant, { crc64nvme: checksum });
      assert.equal(file.status, "available");
      assert.equal(file.checksum.crc64nvme, checksum);
      assert.equal(file.contentType, "text/plain");
    });
  }

  test("it permits one object: another length, content, key or media type is refused", async () => {
    const { client, grant, bytes, checksum } = await open(noise(1000));
    const form = grant.urls[0];
    const other = noise(1000);
    const refused = {
      "a byte less": await post(form, bytes.subarray(1)),
      "a byte more": await post(form, Buffer.concat([bytes, Buffer.alloc(1)])),
      "other content": await post(form, other),
      "another key": await post(change(form, "key", form.fields.key + "x"), bytes),
      "another media type": await post(change(form, "Content-Type", "text/html"), bytes),
      "another checksum": await post(change(form, "x-amz-checksum-crc64nvme", await crc64nvme(other)), other),
      "no checksum": await post(change(form, "x-amz-checksum-crc64nvme", undefined), other),
      "another signature": await post(change(form, "x-amz-signature", "0".repeat(64)), bytes),
      "a field more": await post(change(form, "x-amz-meta-more", "1"), bytes),
    };
    for (const [what, reply] of Object.entries(refused)) {
      assert.ok([400, 403].includes(reply.status), `${what}: ${reply.status}`);
    }
    assert.ok((await post(form, bytes)).ok);
    assert.equal((await client.complete(grant, { crc64nvme: checksum })).status, "available");
  });

  test("goes only to clients that say that they can send one, also when its URL is renewed", async () => {
    for (const [forms, method] of [
      [true, "POST"],
      [undefined, "PUT"],
    ]) {
      const { client, grant, bytes, checksum } = await open(noise(10), { forms });
      const parts = [{ partNumber: 1, crc64nvme: checksum }];
      const [renewed] = await client.sign(grant, parts);
      const { ticket } = await client.ask("GET", `/v1/uploads/${grant.uploadId}`);
      const [resumed] = await client.sign({ ...grant, ticket }, parts);
      assert.deepEqual([grant.urls[0].method, renewed.method, resumed.method], [method, method, method]);
      const reply = method === "PUT" ? await put(renewed, bytes) : await post(renewed, bytes);
      assert.ok(reply.ok);
      assert.equal((await client.complete(grant, { crc64nvme: checksum })).status, "available");
    }
  });

  test("a form that has expired is refused in words that clients know", async () => {
    const { grant, bytes } = await open(noise(10), {}, shortLived.guest());
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const reply = await post(grant.urls[0], bytes);
    assert.equal(reply.status, 403);
    assert.match(await reply.text(), /expired/);
  });

  test("hostile names are keys like any other", async () => {
    for (const name of ["${filename}", 'a"b\\c.txt', "映画 +%#&.mov", "ü".repeat(127)]) {
      const { client, grant, bytes, checksum } = await open(noise(10), { name });
      assert.ok((await post(grant.urls[0], bytes)).ok, name);
      const file = await client.complete(grant, { crc64nvme: checksum });
      assert.equal(file.name, name.normalize("NFC"));
    }
  });

  test("files that are finished together leave nothing where they were sent to", async () => {
    const client = await stack.guest();
    const uploads = [];
    for (const name of ["a.txt", "${filename}", 'a"b<c>&.txt', "映画 +%#&.mov"]) {
      const { grant, bytes, checksum } = await open(noise(10), { name }, client);
      assert.ok((await post(grant.urls[0], bytes)).ok, name);
      uploads.push({ uploadId: grant.uploadId, ticket: grant.ticket, crc64nvme: checksum });
    }
    const finished = await client.ask("POST", "/v1/uploads/complete", { body: { uploads } });
    const statuses = finished.uploads.map(({ file }) => file?.status);
    assert.deepEqual(new Set(statuses), new Set(["available"]), JSON.stringify(finished));
    const listing = new ListObjectsV2Command({ Bucket: stack.s3.bucket, Prefix: `${client.workspace}/` });
    const keys = (await stack.s3.client.send(listing)).Contents.map(({ Key }) => Key);
    assert.equal(keys.length, uploads.length, keys.join(" "));
    assert.ok(!keys.some((key) => key.endsWith(".incoming")), keys.join(" "));
  });

  test("parts go by PUT as ever", async () => {
    const client = await stack.guest();
    const bytes = noise(2 * PART);
    const grant = await client.open(bytes, { partSize: PART });
    const [url] = await client.sign(grant, [{ partNumber: 1 }]);
    assert.deepEqual([url.method, url.fields], ["PUT", undefined]);
    const parts = await client.sendParts(grant, bytes);
    const file = await client.complete(grant, { crc64nvme: await crc64nvme(bytes), parts });
    assert.equal(file.status, "available");
  });
});

async function open(bytes, file = {}, client = stack.guest()) {
  client = await client;
  const checksum = await crc64nvme(bytes);
  const parts = [{ partNumber: 1, crc64nvme: checksum }];
  const grant = await client.open(bytes, { forms: true, ...file, parts });
  return { client, grant, bytes, checksum };
}

function post({ url, fields }, bytes) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", new Blob([bytes]));
  return fetch(url, { method: "POST", body: form });
}

function change(form, field, value) {
  const { [field]: _, ...fields } = form.fields;
  return { ...form, fields: value === undefined ? fields : { ...fields, [field]: value } };
}
