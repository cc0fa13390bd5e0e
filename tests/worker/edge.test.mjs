// The edges that every suite here runs between: that they do what Cloudflare's do, and that uploads live with it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, MIB, PART, assertProblem, crc64nvme, noise, useStack } from "./support.mjs";
import { startCoordinator } from "../../stack/coordinator.mjs";

const stack = useStack();

test("what leaves the worker is rewritten on its way to storage, and storage takes it all the same", async () => {
  const { between } = stack.coordinator.edges;
  const client = await stack.guest();
  const bytes = noise(PART + 1);
  const seen = between.requests.length;
  const grant = await client.open(bytes, { partSize: PART });
  await client.sendParts(grant, bytes);
  // No checksum is stated, so that the object is looked at, too.
  const file = await client.complete(grant);
  assert.equal(file.size, bytes.length);
  await client.ask("DELETE", `/v1/files/${file.fileId}`);
  const passed = between.requests.slice(seen);
  assert.deepEqual(new Set(passed.map(({ method }) => method)), new Set(["POST", "GET", "HEAD", "DELETE"]));
  for (const { method, from, to } of passed) {
    assert.equal(to["accept-encoding"], "gzip, br");
    assert.ok(to["cf-ray"] && to["cdn-loop"] && to["x-forwarded-proto"], method);
    assert.ok(!("content-length" in to) || Number(to["content-length"]) > 0);
    const signed = /SignedHeaders=([^,]+)/.exec(from.authorization)[1].split(";");
    for (const name of signed) {
      assert.ok(/^(host|content-(type|length|md5)|x-amz-.+)$/.test(name), `${method} signs ${name}`);
      assert.equal(to[name], from[name], name);
    }
  }
});

test("a HEAD that tells no length is no reason to lose a file", async () => {
  const client = await stack.guest();
  // Text is what the edge would compress: it takes the length away, and weakens the ETag.
  for (const [size, partSize] of [
    [2000, undefined],
    [PART + 1, PART],
  ]) {
    const bytes = Buffer.alloc(size, "text ");
    // An object in parts is proven without a HEAD where the whole's checksum is stated.
    for (const claims of [{}, { crc64nvme: await crc64nvme(bytes) }]) {
      const grant = await client.open(bytes, { contentType: "text/plain", partSize });
      await client.sendParts(grant, bytes);
      const file = await client.complete(grant, claims);
      assert.deepEqual([file.status, file.size], ["available", size]);
      assert.ok(!file.etag?.startsWith("W/"));
    }
  }
});

test("what comes to the worker has the client's address and a ray, and replies come compressed", async () => {
  const { before } = stack.coordinator.edges;
  const client = await stack.guest();
  const seen = before.requests.length;
  const response = await client.send("GET", "/v1/files", { headers: { "cf-connecting-ip": "192.0.2.7" } });
  assert.equal(response.status, 200);
  await response.json();
  const [{ to }] = before.requests.slice(seen);
  assert.equal(to["cf-connecting-ip"], "127.0.0.1");
  assert.ok(to["cf-ray"]);
  assert.equal(to["accept-encoding"], "gzip, br");
  const described = await fetch(`${stack.url}/openapi.json`, { headers: { "accept-encoding": "gzip" } });
  assert.equal(described.headers.get("content-encoding"), "gzip");
  assert.ok((await described.json()).paths["/v1/uploads"]);
});

test("storage that is away behind an edge is waited for as any other", async () => {
  await stack.s3.halt();
  try {
    const client = await stack.guest();
    const body = { files: [{ clientRef: "f", name: "f", size: 20 * MIB }] };
    await client.refused("storage_unavailable", "POST", "/v1/uploads", { body });
  } finally {
    await stack.s3.resume();
  }
});

test("the public development key is refused but at this machine, by its variable's name alone", async () => {
  const key = "c3luY3NwaGVyZSBkZXZlbG9wbWVudCBrZXkgMDAwMDE=";
  const ask = (coordinator, url, path) => coordinator.runtime.dispatchFetch(`${url}${path}`);
  for (const path of ["/v1/files", "/healthz", "/.well-known/jwks.json"]) {
    const refused = await ask(stack.coordinator, "https://uploads.example.com", path);
    const problem = await assertProblem(refused, "internal");
    assert.equal(problem.status, 500);
    assert.match(problem.detail, /variable AUTH_SIGNING_KEY is the public key of development/);
    assert.ok(!JSON.stringify(problem).includes(key));
  }
  assert.equal((await ask(stack.coordinator, "http://localhost:8787", "/healthz")).status, 200);
  const own = await startCoordinator({
    s3: stack.s3,
    vars: { AUTH_SIGNING_KEY: noise(32).toString("base64") },
    assets: false,
  });
  try {
    assert.equal((await ask(own, "https://uploads.example.com", "/healthz")).status, 200);
  } finally {
    await own.stop();
  }
});

test("with the free plan's subrequests a batch that is too large is done in part, and the rest next time", async () => {
  const coordinator = await startCoordinator({
    s3: stack.s3,
    vars: { S3_FORMS: "off", SUBREQUEST_LIMIT: "30" },
    assets: false,
  });
  try {
    const client = await Client.guest(coordinator.url, "free-plan");
    const file = (n) => ({ clientRef: `f${n}`, name: `f${n}`, size: PART + 1, partSize: PART });
    let wanted = Array.from({ length: 40 }, (_, n) => file(n));
    const granted = [];
    const rounds = [];
    while (wanted.length > 0) {
      const seen = coordinator.edges.between.requests.length;
      const results = await client.initiate(wanted);
      rounds.push(coordinator.edges.between.requests.length - seen);
      granted.push(...results.filter(({ uploadId }) => uploadId));
      const refused = results.filter(({ error }) => error);
      assert.ok(refused.every(({ error }) => error.code === "storage_unavailable" && error.retryAfter >= 1));
      wanted = wanted.filter(({ clientRef }) => refused.some((result) => result.clientRef === clientRef));
    }
    assert.deepEqual(rounds, [26, 14]);
    assert.equal(granted.length, 40);
  } finally {
    await coordinator.stop();
  }
});
