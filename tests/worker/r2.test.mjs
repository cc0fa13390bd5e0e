// The main paths with S3_PROVIDER=r2, against storage that behaves as R2 does (stack/r2.mjs).
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { startR2 } from "../../stack/r2.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";
import { Client, PART, allParts, eventually, noise, put } from "./support.mjs";

let seaweed, r2, coordinator, client;
before(async () => {
  seaweed = await startSeaweed();
  r2 = await startR2(seaweed);
  coordinator = await startCoordinator({
    s3: r2,
    vars: { S3_FORMS: "off", S3_REGION: undefined },
    assets: false,
  });
  client = await Client.guest(coordinator.url, "r2");
});
after(async () => {
  await coordinator?.stop();
  await r2?.stop();
  await seaweed?.stop();
});

describe("the coordinator on R2", () => {
  test("is healthy with the region auto by default", async () => {
    assert.equal((await client.send("GET", "/healthz")).status, 200);
    const { urls } = await client.open(noise(5), { parts: [{ partNumber: 1 }] });
    assert.match(urls[0].url, /%2Fauto%2Fs3%2F/);
  });

  for (const [what, size, file] of [
    ["nothing", 0, {}],
    ["a single object", 100_000, {}],
    ["text, whose HEAD has no length", 100_000, { contentType: "text/plain" }],
    ["parts", 3 * PART + 7, { partSize: PART }],
    ["equal parts without a rest", 2 * PART, { partSize: PART }],
  ]) {
    test(`uploads, finalizes, downloads and deletes ${what}`, async () => {
      const bytes = noise(size);
      const record = await client.upload(bytes, { name: `${what}.bin`, ...file });
      assert.deepEqual([record.status, record.size], ["available", size]);
      const path = `/v1/files/${record.fileId}`;
      const link = await client.ask("GET", `${path}/content`, { headers: { accept: "application/json" } });
      const stored = Buffer.from(await (await fetch(link.url)).arrayBuffer());
      assert.ok(stored.equals(bytes));
      assert.equal((await client.send("DELETE", path)).status, 200);
      await eventually(async () => (await fetch(link.url)).status === 404, "the object is gone");
    });
  }

  test("plans no smaller parts at the end, which R2 would not take", async () => {
    const size = 40 * PART;
    const grant = await client
      .open({ length: size }, { partSize: PART, tail: { after: 38, partSize: PART / 5 } })
      .catch((error) => error);
    // Refused or ignored: in no case are there parts of two sizes.
    if (grant.uploadId) assert.equal(grant.tail, undefined);
  });

  test("lists what is there of an upload, a repeated part once", async () => {
    const bytes = noise(2 * PART + 1);
    const grant = await client.open(bytes, { partSize: PART });
    await client.sendParts(grant, bytes, [1, 2]);
    await client.sendParts(grant, bytes, [2]);
    const { parts } = await client.ask("GET", `/v1/uploads/${grant.uploadId}`);
    assert.deepEqual(
      parts.map(({ partNumber, size }) => [partNumber, size]),
      [
        [1, PART],
        [2, PART],
      ],
    );
    await client.completeRefused("parts_missing", grant);
    await client.sendParts(grant, bytes, [3]);
    assert.equal((await client.complete(grant)).status, "available");
  });

  test("aborts, and nothing of it stays", async () => {
    const bytes = noise(PART + 1);
    const grant = await client.open(bytes, { partSize: PART });
    await client.sendParts(grant, bytes, allParts(grant));
    assert.equal((await client.send("DELETE", `/v1/uploads/${grant.uploadId}`)).status, 200);
    await client.completeRefused("upload_gone", grant);
  });

  test("says at once that there are no forms", async () => {
    const wrong = await startCoordinator({ s3: r2, vars: { S3_FORMS: "on" }, assets: false });
    try {
      const problem = await (await fetch(`${wrong.url}/healthz`)).json();
      assert.match(problem.detail, /variable S3_FORMS .*off for r2/);
    } finally {
      await wrong.stop();
    }
  });

  test("is asked for nothing that R2 does not have", () => {
    assert.deepEqual(r2.refused, []);
  });
});

describe("R2 itself, as it is played here", () => {
  test("refuses parts of different sizes at completion, and no other", async () => {
    const bytes = noise(3 * PART);
    const complete = async (sizes) => {
      const { CreateMultipartUploadCommand, UploadPartCommand, CompleteMultipartUploadCommand } =
        await import("@aws-sdk/client-s3");
      const of = { Bucket: seaweed.bucket, Key: `sizes/${sizes}` };
      const { UploadId } = await seaweed.client.send(new CreateMultipartUploadCommand(of));
      const Parts = [];
      for (const [index, size] of sizes.entries()) {
        const part = { ...of, UploadId, PartNumber: index + 1, Body: bytes.subarray(0, size) };
        const { ETag } = await seaweed.client.send(new UploadPartCommand(part));
        Parts.push({ ETag, PartNumber: index + 1 });
      }
      const { S3Client } = await import("@aws-sdk/client-s3");
      const here = new S3Client({
        endpoint: r2.endpoint,
        region: "auto",
        credentials: { accessKeyId: r2.accessKeyId, secretAccessKey: r2.secretAccessKey },
        forcePathStyle: true,
        maxAttempts: 1,
      });
      try {
        const MultipartUpload = { Parts };
        await here.send(new CompleteMultipartUploadCommand({ ...of, UploadId, MultipartUpload }));
        return "done";
      } catch (error) {
        return error.name;
      } finally {
        here.destroy();
      }
    };
    assert.equal(await complete([PART, PART, 1]), "done");
    assert.equal(await complete([PART + 1, PART, 1]), "InvalidPart");
    assert.equal(await complete([PART, PART + 1]), "InvalidPart");
  });

  test("judges URLs at the preflight, and tells pages nothing of a refusal", async () => {
    const short = await startCoordinator({
      s3: r2,
      vars: { S3_FORMS: "off", URL_TTL_SECONDS: "1" },
      assets: false,
    });
    try {
      const guest = await Client.guest(short.url, "r2-expiry");
      const bytes = noise(10);
      const { urls } = await guest.open(bytes, { parts: [{ partNumber: 1 }] });
      const preflight = () =>
        fetch(urls[0].url, {
          method: "OPTIONS",
          headers: { origin: "https://app.test", "access-control-request-method": "PUT" },
        });
      await eventually(async () => (await preflight()).status === 403, "the URL runs out");
      for (const refused of [await preflight(), await put(urls[0], bytes, { origin: "https://app.test" })]) {
        assert.equal(refused.status, 403);
        assert.equal(refused.headers.get("access-control-allow-origin"), null);
        assert.match(await refused.text(), /<Code>ExpiredRequest<\/Code>/);
      }
    } finally {
      await short.stop();
    }
  });

  test("knows no forms, no conditional copies and no other region", async () => {
    const form = new FormData();
    form.set("key", "k");
    const posted = await fetch(`${r2.endpoint}/${r2.bucket}`, { method: "POST", body: form });
    assert.equal(posted.status, 501);
    assert.equal(posted.headers.get("access-control-allow-origin"), null);
    const copy = await fetch(`${r2.endpoint}/${r2.bucket}/k`, {
      method: "PUT",
      headers: { "x-amz-copy-source": "/a/b", "x-amz-copy-source-if-match": '"e"' },
    });
    assert.equal(copy.status, 501);
    const elsewhere = await fetch(
      `${r2.endpoint}/${r2.bucket}?X-Amz-Credential=a/20260101/eu-west-1/s3/aws4_request`,
    );
    assert.equal(elsewhere.status, 400);
    assert.match(await elsewhere.text(), /InvalidRegionName/);
  });
});
