// Storage whose API lies below a path, as Supabase's does: what is signed and asked holds that path.

import assert from "node:assert/strict";
import { createServer, request as httpRequest } from "node:http";
import { after, before, test } from "node:test";
import { buffer } from "node:stream/consumers";
import { withoutChecksums } from "../../stack/blindness.mjs";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";
import { Client, PART, noise, put } from "./support.mjs";

const PATH = "/storage/v1/s3";

let s3, gateway, coordinator;
before(async () => {
  s3 = await startSeaweed();
  gateway = await startGateway(s3);
  const endpoint = gateway.origin + PATH;
  const vars = { S3_CHECKSUM: "none", S3_FORMS: "off" };
  coordinator = await startCoordinator({ s3: { ...s3, endpoint }, vars, assets: false, edge: false });
});
after(async () => {
  await coordinator?.stop();
  await gateway?.stop();
  await s3?.stop();
});

test("files of one request and of several parts are stored below it, and come back", async () => {
  const client = await Client.guest(coordinator.url, "team");
  for (const size of [1000, PART + 7]) {
    const bytes = noise(size);
    const grant = await client.open(bytes, { partSize: PART });
    const numbers = Array.from({ length: grant.partCount }, (_, index) => ({ partNumber: index + 1 }));
    for (const url of await client.sign(grant, numbers)) {
      assert.ok(new URL(url.url).pathname.startsWith(`${PATH}/${s3.bucket}/team/`));
      const start = (url.partNumber - 1) * PART;
      const reply = await put(url, bytes.subarray(start, start + PART));
      assert.equal(reply.status, 200, await reply.text());
    }
    const { fileId, status } = await client.complete(grant);
    assert.equal(status, "available");
    const headers = { accept: "application/json" };
    const link = await client.ask("GET", `/v1/files/${fileId}/content`, { headers });
    assert.deepEqual(Buffer.from(await (await fetch(link.url)).arrayBuffer()), bytes);
  }
});

/** Takes what lies below the path, and signs it anew for the storage behind it, which knows of no path. */
async function startGateway({ endpoint, ...keys }) {
  const server = createServer(async (req, res) => {
    const body = await buffer(req);
    if (!req.url.startsWith(`${PATH}/`)) return res.writeHead(404).end();
    const { host } = new URL(endpoint);
    const inside = { method: req.method, url: req.url.slice(PATH.length), headers: { ...req.headers, host } };
    const { method, path, headers, body: sent } = await withoutChecksums(inside, body, keys);
    const asked = httpRequest(endpoint + path, { method, headers }, (reply) => {
      res.writeHead(reply.statusCode, reply.headers);
      reply.pipe(res);
    });
    asked.on("error", () => res.destroy());
    asked.end(sent);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    stop: () => {
      server.closeAllConnections();
      return new Promise((closed) => server.close(closed));
    },
  };
}
