import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HeadObjectCommand } from "@aws-sdk/client-s3";
import { PART, crc64nvme, eventually, multipartUploads, noise, objects, put, useStack } from "./support.mjs";

describe("aborting", () => {
  const stack = useStack();

  test("frees storage, is told once, and answers the same when repeated", async () => {
    const client = await stack.guest();
    const bytes = noise(2 * PART);
    const grant = await client.open(bytes, { partSize: PART });
    await client.sendParts(grant, bytes, [1]);
    assert.equal((await multipartUploads(stack, client)).length, 1);

    const reply = await client.ask("DELETE", `/v1/uploads/${grant.uploadId}`);
    assert.deepEqual(reply, { uploadId: grant.uploadId, status: "aborted" });
    assert.deepEqual(await client.ask("DELETE", `/v1/uploads/${grant.uploadId}`), reply);
    assert.deepEqual(await multipartUploads(stack, client), []);
    const { changes } = await client.changes();
    assert.deepEqual(
      changes.map(({ seq, kind }) => [seq, kind]),
      [
        [1, "file.uploading"],
        [2, "file.aborted"],
      ],
    );
    await client.completeRefused("upload_gone", grant);
    await client.refused("upload_gone", "GET", `/v1/files/${grant.fileId}/content`);
    assert.equal((await client.ask("GET", `/v1/uploads/${grant.uploadId}`)).status, "aborted");
  });

  test("leaves no object of a file that went as one request", async () => {
    const client = await stack.guest();
    const bytes = noise(10);
    const grant = await client.open(bytes);
    await client.sendParts(grant, bytes);
    await client.ask("DELETE", `/v1/uploads/${grant.uploadId}`);
    assert.deepEqual(await objects(stack, client), []);
  });

  test("after complete changes nothing and says so", async () => {
    const client = await stack.guest();
    const grant = await client.open(noise(1));
    await client.sendParts(grant, noise(1));
    const file = await client.complete(grant);
    const reply = await client.ask("DELETE", `/v1/uploads/${grant.uploadId}`);
    assert.equal(reply.status, "available");
    assert.deepEqual(await client.ask("GET", `/v1/files/${file.fileId}`), file);
    assert.equal((await objects(stack, client)).length, 1);
  });

  test("racing complete ends one way, for everybody and in storage", async () => {
    // From an abort at once to one that comes when a completion, as long as it takes here, is long over.
    const endings = new Set();
    const began = performance.now();
    endings.add(await raced(stack, 0));
    const moment = Math.max(performance.now() - began, 20);
    for (let round = 1; round <= 12; round++) endings.add(await raced(stack, (round * moment) / 6));
    assert.deepEqual([...endings].sort(), ["aborted", "available"], "both endings have to occur");
  });

  test("is not undone by storage: an upload that storage has lost is gone", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 1);
    const grant = await client.open(bytes, { partSize: PART });
    const [{ Key, UploadId }] = await multipartUploads(stack, client);
    const { AbortMultipartUploadCommand } = await import("@aws-sdk/client-s3");
    await stack.s3.client.send(new AbortMultipartUploadCommand({ Bucket: stack.s3.bucket, Key, UploadId }));
    // A HEAD that finds nothing is no proof: the workspace's alarm looks again a minute later.
    await client.completeRefused("storage_unavailable", grant);
    const status = async () => (await client.ask("GET", `/v1/files/${grant.fileId}`)).status;
    assert.equal(await status(), "uploading");
    await eventually(async () => (await status()) === "aborted", "it is given up", 90_000);
    await client.completeRefused("upload_gone", grant);
  });
});

describe("the ticket of a file that goes as one request", () => {
  const stack = useStack();

  test("signs no URL once the file is available, aborted or deleted", async () => {
    const client = await stack.guest();
    const bytes = noise(10);
    const endings = {
      async available(grant) {
        await client.sendParts(grant, bytes);
        await client.complete(grant);
      },
      async aborted(grant) {
        await client.ask("DELETE", `/v1/uploads/${grant.uploadId}`);
      },
      async deleted(grant) {
        await endings.available(grant);
        await client.ask("DELETE", `/v1/files/${grant.fileId}`);
      },
    };
    for (const [ending, end] of Object.entries(endings)) {
      const grant = await client.open(bytes);
      assert.equal((await client.sign(grant, [{ partNumber: 1 }])).length, 1, `before it is ${ending}`);
      await end(grant);
      const body = { ticket: grant.ticket, parts: [{ partNumber: 1 }] };
      await client.refused("upload_gone", "POST", `/v1/uploads/${grant.uploadId}/parts`, { body });
    }
  });
});

describe("an upload past its time", () => {
  const stack = useStack({
    vars: { UPLOAD_TTL_SECONDS: "8", UPLOAD_MAX_LIFETIME_SECONDS: "8", URL_TTL_SECONDS: "4" },
  });

  test("expires by the workspace's alarm, and its storage is freed", async () => {
    const client = await stack.guest();
    const bytes = noise(2 * PART);
    const grant = await client.open(bytes, { partSize: PART });
    assert.equal(grant.expiresIn, 8);
    await client.sendParts(grant, bytes, [1]);
    const single = await client.open(noise(1));
    await client.sendParts(single, noise(1));

    await eventually(async () => {
      const states = await Promise.all(
        [grant, single].map(({ fileId }) => client.ask("GET", `/v1/files/${fileId}`)),
      );
      return states.every(({ status }) => status === "expired");
    }, "both uploads expire");
    await eventually(async () => {
      const left = [...(await multipartUploads(stack, client)), ...(await objects(stack, client))];
      return left.length === 0;
    }, "nothing is left in storage");
    const { changes } = await client.changes();
    assert.deepEqual(changes.map(({ kind }) => kind).sort(), [
      "file.expired",
      "file.expired",
      "file.uploading",
      "file.uploading",
    ]);
    await client.completeRefused("upload_gone", grant);
    const body = { ticket: grant.ticket, parts: [{ partNumber: 1 }] };
    await client.refused("upload_gone", "POST", `/v1/uploads/${grant.uploadId}/parts`, { body });
  });

  test("is sent nothing with a URL whose time is over", async () => {
    const client = await stack.guest();
    const bytes = noise(4);
    const grant = await client.open(bytes);
    const [url] = await client.sign(grant, [{ partNumber: 1, crc64nvme: await crc64nvme(bytes) }]);
    assert.ok(url.expiresIn <= 4);
    await new Promise((resolve) => setTimeout(resolve, (url.expiresIn + 2) * 1000));
    assert.equal((await put(url, bytes)).status, 403);
  });

  test("that was completed in time stays", async () => {
    const client = await stack.guest();
    const file = await client.upload(noise(PART + 1), { partSize: PART });
    const later = await client.open(noise(1));
    await eventually(async () => {
      const { status } = await client.ask("GET", `/v1/files/${later.fileId}`);
      return status === "expired";
    }, "the later upload expires");
    assert.deepEqual(await client.ask("GET", `/v1/files/${file.fileId}`), file);
    const [{ Key }] = await objects(stack, client);
    const head = await stack.s3.client.send(new HeadObjectCommand({ Bucket: stack.s3.bucket, Key }));
    assert.equal(head.ContentLength, PART + 1);
  });
});

describe("an upload whose parts arrive", () => {
  const stack = useStack({ vars: { UPLOAD_TTL_SECONDS: "6" } });

  test("lives on, and expires once they do no longer", async () => {
    const client = await stack.guest();
    const bytes = noise(4 * PART);
    const [active, left] = await Promise.all([0, 1].map(() => client.open(bytes, { partSize: PART })));
    const statusOf = async ({ fileId }) => (await client.ask("GET", `/v1/files/${fileId}`)).status;
    await client.sendParts(left, bytes, [1]);
    for (const part of [1, 2, 3, 4]) {
      await client.sendParts(active, bytes, [part]);
      await new Promise((resolve) => setTimeout(resolve, 3000));
    }
    // Twice its life after its beginning.
    assert.deepEqual([await statusOf(active), await statusOf(left)], ["uploading", "expired"]);
    const { expiresAt } = await client.ask("GET", `/v1/uploads/${active.uploadId}`);
    assert.ok(Date.parse(expiresAt) > Date.parse(active.expiresAt) + 6000, expiresAt);
    await eventually(async () => (await statusOf(active)) === "expired", "nothing arrives any more", 30_000);
  });
});

describe("completing at the moment of expiry", () => {
  const stack = useStack({
    vars: { UPLOAD_TTL_SECONDS: "12", UPLOAD_MAX_LIFETIME_SECONDS: "12", URL_TTL_SECONDS: "12" },
  });

  test("ends one way, for everybody and in storage", async () => {
    // From at once to when the alarm has surely rung, closest around its time.
    const moments = [-Infinity, -400, -200, -100, 0, 50, 100, 150, 200, 300, 500, 8000];
    const endings = await Promise.all(moments.map((moment) => completedAround(stack, moment)));
    assert.equal(endings.at(0), "available");
    assert.equal(endings.at(-1), "expired");
  });
});

/** Completes an upload `moment` milliseconds after its time; gives the ending that everybody agrees on. */
async function completedAround(stack, moment) {
  const client = await stack.guest();
  const bytes = noise(PART + 1);
  const grant = await client.open(bytes, { partSize: PART });
  const end = performance.now() + grant.expiresIn * 1000;
  await client.sendParts(grant, bytes);
  const pause = Math.max(0, end + moment - performance.now());
  await new Promise((resolve) => setTimeout(resolve, pause));
  const path = `/v1/uploads/${grant.uploadId}/complete`;
  const completed = await client.send("POST", path, { body: { ticket: grant.ticket } });
  const reply = await completed.json();

  const { status } = await client.ask("GET", `/v1/files/${grant.fileId}`);
  assert.equal(completed.status, status === "available" ? 200 : 410, JSON.stringify(reply));
  assert.equal(reply.code, status === "available" ? undefined : "upload_gone");
  const kinds = (await client.changes()).changes.map(({ kind }) => kind);
  assert.deepEqual(kinds, ["file.uploading", `file.${status}`]);
  await eventually(
    async () => (await multipartUploads(stack, client)).length === 0,
    "storage holds no open upload",
    60_000,
  );
  assert.equal((await objects(stack, client)).length, status === "available" ? 1 : 0);
  return status;
}

/** Completes an upload and aborts it `pause` milliseconds later; gives the ending that everybody agrees on. */
async function raced(stack, pause) {
  const client = await stack.guest();
  const bytes = noise(PART + 1);
  const grant = await client.open(bytes, { partSize: PART });
  await client.sendParts(grant, bytes);
  const path = `/v1/uploads/${grant.uploadId}`;
  const completing = client.send("POST", `${path}/complete`, { body: { ticket: grant.ticket } });
  await new Promise((resolve) => setTimeout(resolve, pause));
  const [completed, aborted] = await Promise.all([completing, client.ask("DELETE", path)]);
  const { status } = aborted;
  assert.equal((await client.ask("GET", `/v1/files/${grant.fileId}`)).status, status);
  assert.equal(completed.status, status === "available" ? 200 : 410, await completed.text());
  assert.equal((await client.changes()).seq, 2);
  assert.equal((await objects(stack, client)).length, status === "available" ? 1 : 0);
  assert.deepEqual(await multipartUploads(stack, client), []);
  return status;
}
