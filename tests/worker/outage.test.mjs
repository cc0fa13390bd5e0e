import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { Client, PART, assertProblem, eventually, noise, useStack } from "./support.mjs";

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
    // An answer of storage holds for five seconds.
    await eventually(async () => (await client.send("GET", "/healthz")).status === 200, "storage is healthy");
    assert.equal((await client.complete(grant)).status, "available");
    await client.sendParts(single, noise(1));
    assert.equal((await client.complete(single)).status, "available");
    const [granted] = await client.initiate(multipart.files, { "idempotency-key": "outage" });
    assert.ok(granted.uploadId);
  });
});

describe("storage that takes a request and never answers it", () => {
  const asked = { silent: 0, dripping: 0 };
  const servers = [];
  after(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  /** A server that goes on for ever in this way, and the coordinator that stores there. */
  async function startBefore(kind, answer) {
    const server = createServer((request, response) => {
      asked[kind] += 1;
      answer(response);
    });
    servers.push(server);
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const endpoint = `http://127.0.0.1:${server.address().port}`;
    return startCoordinator({ s3: { ...stack.s3, endpoint }, assets: false });
  }

  test("is given up after 20 seconds, and not asked twice", { timeout: 120_000 }, async () => {
    const coordinators = [
      await startBefore("silent", () => {}),
      await startBefore("dripping", (response) => {
        response.writeHead(200);
        const drip = setInterval(() => response.write(" "), 500);
        response.on("close", () => clearInterval(drip));
      }),
    ];
    try {
      const body = { files: [{ clientRef: "f", name: "f", size: PART + 1, partSize: PART }] };
      const began = Date.now();
      const replies = coordinators.map(async ({ url }) => {
        const client = await Client.guest(url, "silent");
        return client.refused("storage_unavailable", "POST", "/v1/uploads", { body });
      });
      for (const problem of await Promise.all(replies)) assert.ok(problem.retryAfter >= 1);
      assert.ok(Date.now() - began >= 19_000, "it was waited for");
      assert.deepEqual(asked, { silent: 1, dripping: 1 });
    } finally {
      for (const coordinator of coordinators) await coordinator.stop();
    }
  });
});
