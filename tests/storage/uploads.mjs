// What has to hold on every storage, whatever its API leaves out: the worker's upload tests, the most telling of them.

import assert from "node:assert/strict";
import { Companion, becomes } from "../worker/companion.mjs";
import { PART, eventually, noise, partOf, put } from "../worker/support.mjs";
import { claimOf, claimsOf, contentOf, deliver, on, useCoordinator } from "./support.mjs";

/** Registers the tests for one server. */
export function uploadTests(server) {
  const stack = useCoordinator(server);
  const algorithm = server.vars.S3_CHECKSUM;
  const claim = (bytes) => claimOf(bytes, algorithm);

  for (const size of [0, 1, 100_000]) {
    for (const forms of [false, true]) {
      on(
        server,
        `a file of ${size} bytes goes as one ${forms ? "form" : "PUT"}, and reads back`,
        async () => {
          const client = await stack.guest();
          const bytes = noise(size);
          const grant = await open(client, bytes, { forms, contentType: "text/plain" });
          assert.equal(grant.urls[0].method, forms ? "POST" : "PUT");
          const reply = await deliver(grant.urls[0], bytes);
          assert.ok(reply.ok, await reply.text());
          const file = await finish(client, grant, bytes);
          assert.equal(file.status, "available");
          assert.deepEqual(file.checksum, await claim(bytes));
          assert.deepEqual(await contentOf(client, file), bytes);
        },
      );
    }
  }

  on(server, "a file in parts of two sizes becomes available, proven, and reads back", async () => {
    const client = await stack.guest();
    const bytes = noise(2 * 6 * MIB + PART + 1);
    const tail = { after: 2, partSize: PART };
    const grant = await open(client, bytes, { partSize: 6 * MIB, tail });
    assert.deepEqual([grant.kind, grant.checksum, grant.partCount], ["multipart", algorithm, 4]);
    await sendAll(client, grant, bytes);
    const file = await finish(client, grant, bytes);
    assert.deepEqual([file.status, file.size], ["available", bytes.length]);
    assert.deepEqual(await contentOf(client, file), bytes);
    assert.deepEqual(await finish(client, grant, bytes), file, "told twice");
    if (algorithm === "crc64nvme") assert.deepEqual(file.checksum, await claim(bytes));
  });

  on(
    server,
    "damaged bytes and bytes too few are refused on arrival, and the right ones taken after",
    async () => {
      const client = await stack.guest();
      const bytes = noise(PART + 1000);
      const grant = await open(client, bytes, { partSize: PART });
      const claims = await claimsOf(grant, bytes, algorithm);
      const [url] = await client.sign(grant, claims.slice(0, 1));
      const part = partOf(grant, bytes, 1);
      const damaged = Buffer.from(part);
      damaged[100] ^= 1;
      assert.equal(await refusal(put(url, damaged), 400), 400);
      assert.equal(await refusal(put(url, part.subarray(1)), 403), 403);
      await sendAll(client, grant, bytes);
      assert.equal((await finish(client, grant, bytes)).status, "available");
    },
  );

  on(server, "a claim that is not what storage holds never makes a file available", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 1000);
    const other = Buffer.from(bytes);
    other[7] ^= 1;
    const grant = await open(client, bytes, { partSize: PART });
    // By URLs without checksums storage takes whatever comes.
    for (const url of await client.sign(grant, [{ partNumber: 1 }, { partNumber: 2 }])) {
      await put(url, partOf(grant, other, url.partNumber));
    }
    const parts = await claimsOf(grant, bytes, algorithm);
    await assert.rejects(client.complete(grant, { parts }), /parts_missing|checksum_mismatch/);
    assert.equal((await client.ask("GET", `/v1/files/${grant.fileId}`)).status, "uploading");
  });

  on(server, "a new version is made of ranges of the old one and of what is sent", async () => {
    const client = await stack.guest();
    const old = noise(3 * PART + 9);
    const opened = await open(client, old, { partSize: PART });
    await sendAll(client, opened, old);
    const base = await finish(client, opened, old);
    const fresh = noise(PART + 7);
    const bytes = Buffer.concat([old.subarray(0, PART + 1), fresh, old.subarray(PART + 2)]);
    const wanted = { clientRef: "f", name: "file.bin", size: bytes.length, layout: "free" };
    const [grant] = await client.initiate([wanted]);
    if (algorithm !== "crc64nvme") {
      assert.equal(grant.error.code, "invalid_request");
      const told = await client.ask("POST", "/v1/files/bases", { body: { name: "file.bin", size: 1 } });
      assert.deepEqual(
        [told.copies, told.bases.map(({ fileId, chunks }) => [fileId, chunks])],
        [false, [[base.fileId, undefined]]],
      );
      return;
    }
    const copied = await client.copyParts(grant, base, [
      [1, 0, PART + 1],
      [3, PART + 2, 2 * PART + 7],
    ]);
    const ranges = [old.subarray(0, PART + 1), old.subarray(PART + 2)];
    const parts = await client.sendPieces(grant, [[2, fresh]]);
    if (server.provesCopies) {
      assert.deepEqual(
        copied.map(({ crc64nvme }) => ({ crc64nvme })),
        await Promise.all(ranges.map((range) => claim(range))),
        JSON.stringify(copied),
      );
      parts.push(...copied);
    } else {
      assert.deepEqual(
        copied.map(({ error }) => error?.code),
        ["storage_refused", "storage_refused"],
      );
      const pieces = ranges.map((range, index) => [2 * index + 1, range]);
      parts.push(...(await client.sendPieces(grant, pieces)));
    }
    const file = await client.complete(grant, { ...(await claim(bytes)), parts });
    assert.deepEqual([file.status, file.checksum], ["available", await claim(bytes)]);
    assert.deepEqual(await contentOf(client, file), bytes);
  });

  on(server, "what is left of an upload is listed, sent and completed", async () => {
    const client = await stack.guest();
    const bytes = noise(2 * PART + 9);
    const grant = await open(client, bytes, { partSize: PART });
    await sendAll(client, grant, bytes, [3, 1]);
    const missing = await client.completeRefused("parts_missing", grant);
    assert.deepEqual(missing.parts, [2]);
    const status = await client.ask("GET", `/v1/uploads/${grant.uploadId}`);
    assert.deepEqual(
      status.parts.map(({ partNumber, size }) => [partNumber, size]),
      [
        [1, PART],
        [3, 9],
      ],
    );
    await sendAll(client, grant, bytes, [2]);
    assert.equal((await finish(client, grant, bytes)).status, "available");
  });

  on(server, "a client that states no checksum uploads too", async () => {
    const client = await stack.guest();
    for (const size of [1000, PART + 7]) {
      const bytes = noise(size);
      const grant = await client.open(bytes, {
        partSize: PART,
        parts: [{ partNumber: 1 }],
      });
      for (const partNumber of Array.from({ length: grant.partCount }, (_, i) => i + 1)) {
        const [url] = await client.sign(grant, [{ partNumber }]);
        const reply = await put(url, partOf(grant, bytes, partNumber));
        assert.equal(reply.status, 200, await reply.text());
      }
      const file = await client.complete(grant);
      assert.deepEqual(await contentOf(client, file), bytes);
    }
  });

  on(server, "Companion's clients upload, in parts and in one request", async () => {
    const client = await stack.guest();
    const companion = await Companion.of(client);
    const bytes = noise(PART + 7);
    const upload = await companion.create("film.mp4");
    const parts = [await companion.part(upload, 1, bytes.subarray(0, PART))];
    parts.push(await companion.part(upload, 2, bytes.subarray(PART)));
    await companion.complete(upload, parts);
    const file = await becomes(client, "film.mp4", "available");
    assert.deepEqual(await contentOf(client, file), bytes);
  });

  on(server, "an aborted upload leaves nothing behind", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 1);
    const grant = await open(client, bytes, { partSize: PART });
    const [url] = await client.sign(grant, await claimsOf(grant, bytes, algorithm, [1]));
    assert.equal((await put(url, partOf(grant, bytes, 1))).status, 200);
    await client.ask("DELETE", `/v1/uploads/${grant.uploadId}`);
    assert.equal(await refusal(put(url, partOf(grant, bytes, 1)), 404), 404);
    await client.completeRefused("upload_gone", grant);
  });

  on(server, "is found healthy while it answers, and wanting while it does not", async () => {
    // What storage answered stands for some seconds.
    const answers = (expected) =>
      eventually(
        async () => (await fetch(`${stack.coordinator.url}/healthz`)).status === expected,
        `/healthz answers ${expected}`,
        60_000,
      );
    await answers(200);
    await stack.s3.halt();
    await answers(503);
    await stack.s3.resume();
    await answers(200);
  });

  async function open(client, bytes, file) {
    const size = file.partSize ?? bytes.length;
    const parts = [{ partNumber: 1, ...(await claim(bytes.subarray(0, Math.min(size, bytes.length)))) }];
    return client.open(bytes, { ...file, parts });
  }

  async function sendAll(client, grant, bytes, numbers) {
    for (const url of await client.sign(grant, await claimsOf(grant, bytes, algorithm, numbers))) {
      const reply = await put(url, partOf(grant, bytes, url.partNumber));
      assert.equal(reply.status, 200, await reply.text());
    }
  }

  async function finish(client, grant, bytes) {
    const parts = await claimsOf(grant, bytes, algorithm);
    const whole = algorithm === "crc64nvme" ? await claim(bytes) : {};
    return client.complete(grant, { ...whole, parts });
  }
}

const MIB = 1024 * 1024;

/** The status that refuses a part. Some storages answer before they have read it and hang up, so that nobody hears it. */
async function refusal(sending, expected) {
  try {
    return (await sending).status;
  } catch {
    return expected;
  }
}
