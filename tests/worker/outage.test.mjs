import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { PART, assertProblem, noise, useStack } from "./support.mjs";

const stack = useStack();

describe("while storage is down", () => {
  let client, bytes, grant, single, file, during;

  before(async () => {
    client = await stack.guest();
    bytes = noise(PART + 1);
    grant = await client.open(bytes, { partSize: PART });
    await client.sendParts(grant, bytes);
    single = await client.open(noise(1));
    file = await client.upload(noise(1));
    during = [];
    await stack.s3.halt();
  });

  const waiting = async (method, path, options) => {
    const response = await client.send(method, path, options);
    const retryAfter = Number(response.headers.get("retry-after"));
    const problem = await assertProblem(response, "storage_unavailable");
    assert.equal(problem.status, 503);
    assert.ok(problem.retryAfter >= 1);
    assert.equal(retryAfter, problem.retryAfter);
  };
  const multipart = { files: [{ clientRef: "f", name: "f", size: PART + 1, partSize: PART }] };

  test("initiate asks to wait", () => waiting("POST", "/v1/uploads", { body: multipart }));

  test("initiate with an idempotency key asks to wait", () =>
    waiting("POST", "/v1/uploads", { body: multipart, headers: { "idempotency-key": "outage" } }));

  test("complete asks to wait", async () => {
    for (const { uploadId, ticket } of [grant, single]) {
      await waiting("POST", `/v1/uploads/${uploadId}/complete`, { body: { ticket } });
    }
  });

  test("the state of an upload asks to wait", () => waiting("GET", `/v1/uploads/${grant.uploadId}`));

  test("healthz says so", () => waiting("GET", "/healthz"));

  test("signing, listing, the feed and small files go on", async () => {
    assert.equal((await client.sign(grant, [{ partNumber: 1 }])).length, 1);
    assert.equal((await client.ask("GET", "/v1/files")).files.length, 3);
    assert.equal((await client.changes()).seq, 4);
    during.push(await client.open(noise(1)));
  });

  test("abort and delete are accepted and carried out later", async () => {
    const aborted = await client.ask("DELETE", `/v1/uploads/${during[0].uploadId}`);
    assert.equal(aborted.status, "aborted");
    assert.equal((await client.ask("DELETE", `/v1/files/${file.fileId}`)).status, "deleted");
  });

  test("nothing internal is told", async () => {
    const response = await client.send("GET", `/v1/uploads/${grant.uploadId}`);
    const text = JSON.stringify([...response.headers]) + (await response.text());
    for (const secret of [stack.s3.endpoint, stack.s3.secretAccessKey, stack.s3.accessKeyId, "127.0.0.1"]) {
      assert.ok(!text.includes(secret), text);
    }
  });

  test("and once it is back everything goes on where it was", async () => {
    await stack.s3.resume();
    assert.equal((await client.send("GET", "/healthz")).status, 200);
    assert.equal((await client.complete(grant)).status, "available");
    await client.sendParts(single, noise(1));
    assert.equal((await client.complete(single)).status, "available");
    const [granted] = await client.initiate(multipart.files, { "idempotency-key": "outage" });
    assert.ok(granted.uploadId);
  });
});
