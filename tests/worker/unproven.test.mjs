// Where a checksum was stated, storage's has to be there and equal, on whatever way the bytes came: against a storage that
// takes checksums and looks at none.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { startProxy } from "../../stack/proxy.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";
import { Companion, becomes } from "./companion.mjs";
import { Client, PART, crc64nvme, noise, partOf, put } from "./support.mjs";

let s3, proxy, coordinator;

before(async () => {
  s3 = await startSeaweed();
  proxy = await startProxy({ target: s3.endpoint, keys: s3 });
  proxy.blind = true;
  coordinator = await startCoordinator({
    s3: { ...s3, endpoint: proxy.endpoint },
    vars: { S3_FORMS: "on" },
    assets: false,
  });
});
after(async () => {
  await coordinator?.stop();
  await proxy?.stop();
  await s3?.stop();
});

const guest = () => Client.guest(coordinator.url, `w-${Math.random().toString(36).slice(2)}`);

for (const [what, size, forms] of [
  ["in parts", PART + 1000, false],
  ["in one request", 1000, false],
  ["as a form", 1000, true],
]) {
  for (const damaged of [true, false]) {
    test(`a ${damaged ? "damaged" : "whole"} file ${what} does not become available unproven`, async () => {
      const client = await guest();
      const bytes = noise(size);
      const sent = Buffer.from(bytes);
      if (damaged) sent[7] ^= 1;
      const grant = await client.open(bytes, { partSize: PART, forms });
      const parts = [];
      for (let partNumber = 1; partNumber <= grant.partCount; partNumber++) {
        parts.push({ partNumber, crc64nvme: await crc64nvme(partOf(grant, bytes, partNumber)) });
      }
      for (const url of await client.sign(grant, parts)) {
        assert.equal(url.method, forms ? "POST" : "PUT");
        const reply = await deliver(url, partOf(grant, sent, url.partNumber));
        assert.ok(reply.ok, await reply.text());
      }
      const whole = await crc64nvme(bytes);
      for (const claims of [
        { crc64nvme: whole },
        { parts },
        { crc64nvme: whole, parts },
        { parts: parts.slice(0, 1) },
      ]) {
        const problem = await client.completeRefused("checksum_mismatch", grant, claims);
        assert.match(problem.detail, /S3_CHECKSUM/);
      }
      assert.equal((await client.ask("GET", `/v1/files/${grant.fileId}`)).status, "uploading");
      // Nobody has to state anything, and then nothing has to be proven.
      const file = await client.complete(grant);
      assert.deepEqual([file.status, file.checksum], ["available", {}]);
    });
  }
}

test("an upload that states checksums is told so before anything is sent", async () => {
  const client = await guest();
  const parts = [{ partNumber: 1, crc64nvme: await crc64nvme(noise(10)) }];
  const body = { files: [{ clientRef: "f", name: "f.bin", size: 10, parts }] };
  const problem = await client.refused("storage_refused", "POST", "/v1/uploads", { body });
  assert.match(problem.detail, /S3_CHECKSUM/);
  assert.equal(problem.status, 424);
});

test("Companion's clients state none, and their files say so", async () => {
  const client = await guest();
  const companion = await Companion.of(client);
  const upload = await companion.create("film.bin");
  const parts = [await companion.part(upload, 1, noise(1000))];
  await companion.complete(upload, parts);
  const file = await becomes(client, "film.bin", "available");
  assert.deepEqual(file.checksum, {});
});

function deliver(signed, bytes) {
  if (signed.method === "PUT") return put(signed, bytes);
  const form = new FormData();
  for (const [name, value] of Object.entries(signed.fields)) form.append(name, value);
  form.append("file", new Blob([bytes]));
  return fetch(signed.url, { method: "POST", body: form });
}
