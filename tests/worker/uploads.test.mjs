import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MIB, PART, crc64nvme, noise, partOf, put, useStack } from "./support.mjs";

const stack = useStack();

describe("an upload's whole life", () => {
  test("a multipart file becomes available with its checksum, and reads back byte for byte", async () => {
    const client = await stack.guest();
    const bytes = noise(2 * PART + 1);
    const grant = await client.open(bytes, {
      name: "film.mov",
      contentType: "video/quicktime",
      partSize: PART,
    });
    assert.equal(grant.kind, "multipart");
    assert.deepEqual([grant.partSize, grant.partCount], [PART, 3]);

    const uploading = await client.ask("GET", `/v1/files/${grant.fileId}`);
    assert.equal(uploading.status, "uploading");
    assert.deepEqual(uploading.checksum, {});

    const parts = await client.sendParts(grant, bytes);
    const file = await client.complete(grant, { crc64nvme: await crc64nvme(bytes), parts });
    assert.equal(file.status, "available");
    assert.equal(file.size, bytes.length);
    assert.equal(file.checksum.crc64nvme, await crc64nvme(bytes));
    assert.match(file.etag, /^"[0-9a-f]{32}-3"$/);
    assert.deepEqual(await client.ask("GET", `/v1/files/${grant.fileId}`), file);
    assert.deepEqual(await download(client, file), bytes);
  });

  test("a file that storage proves when it assembles it costs storage two calls, and has the object's own ETag", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 1);
    const whole = await crc64nvme(bytes);
    for (const [claims, calls] of [
      [{ crc64nvme: whole }, 2],
      // Nothing is stated, so nothing can be proven by the answer.
      [{}, 3],
    ]) {
      const grant = await client.open(bytes, { partSize: PART });
      await client.sendParts(grant, bytes);
      const response = await client.send("POST", `/v1/uploads/${grant.uploadId}/complete`, {
        body: { ticket: grant.ticket, ...claims },
      });
      const file = await response.json();
      assert.equal(file.status, "available");
      assert.match(response.headers.get("server-timing"), new RegExp(`storage;[^,]*"${calls} calls"`));
      const object = await fetch(await contentUrl(client, file));
      assert.equal(object.headers.get("etag"), file.etag);
      assert.deepEqual(Buffer.from(await object.arrayBuffer()), bytes);
    }
  });

  test("a file may end in smaller parts, each held to its length", async () => {
    const client = await stack.guest();
    const bytes = noise(2 * 8 * MIB + 2 * PART + 1);
    const tail = { after: 2, partSize: PART };
    const grant = await client.open(bytes, { partSize: 8 * MIB, tail });
    assert.deepEqual([grant.partSize, grant.tail, grant.partCount], [8 * MIB, tail, 5]);
    const parts = await client.sendParts(grant, bytes, [1, 2, 3, 4, 5].toReversed());

    const status = await client.ask("GET", `/v1/uploads/${grant.uploadId}`);
    assert.deepEqual([status.partSize, status.tail, status.partCount], [8 * MIB, tail, 5]);
    const sizes = status.parts.map(({ size }) => size);
    assert.deepEqual(sizes, [8 * MIB, 8 * MIB, PART, PART, 1]);
    const [url] = await client.sign(grant, [{ partNumber: 3 }]);
    assert.equal((await put(url, partOf(grant, bytes, 1))).status, 403);

    const file = await client.complete(grant, { crc64nvme: await crc64nvme(bytes), parts });
    assert.deepEqual(await download(client, file), bytes);
  });

  test("a tail that fits no file is a wish that is not met", async () => {
    const client = await stack.guest();
    for (const tail of [
      { after: 0, partSize: PART },
      { after: 9, partSize: PART },
      { after: 1, partSize: PART - 1 },
    ]) {
      const grant = await client.open(noise(2 * PART + 1), { partSize: PART, tail });
      assert.deepEqual([grant.tail, grant.partCount], [undefined, 3]);
    }
  });

  for (const size of [0, 1, 100_000]) {
    test(`a file of ${size} bytes goes as one request`, async () => {
      const client = await stack.guest();
      const bytes = noise(size);
      const checksum = await crc64nvme(bytes);
      const grant = await client.open(bytes, {
        contentType: "text/plain",
        parts: [{ partNumber: 1, crc64nvme: checksum }],
      });
      assert.equal(grant.kind, "single");
      assert.equal(grant.urls.length, 1);
      assert.equal(grant.urls[0].headers["x-amz-checksum-crc64nvme"], checksum);
      assert.equal((await put(grant.urls[0], bytes)).status, 200);
      const file = await client.complete(grant, { crc64nvme: checksum });
      assert.equal(file.status, "available");
      assert.equal(file.checksum.crc64nvme, checksum);
      assert.deepEqual(await download(client, file), bytes);
    });
  }

  test("the object carries the declared media type either way", async () => {
    const client = await stack.guest();
    for (const size of [10, PART + 1]) {
      const file = await client.upload(noise(size), { contentType: "video/mp4", partSize: PART });
      const response = await fetch(await contentUrl(client, file));
      assert.equal(response.headers.get("content-type"), "video/mp4");
    }
  });

  test("a download is no page and no script, whatever the file was declared to be", async () => {
    const client = await stack.guest();
    for (const contentType of ["text/html; charset=utf-8", "image/svg+xml", "application/javascript"]) {
      const file = await client.upload(noise(10), { contentType });
      assert.equal(file.contentType, contentType);
      const response = await fetch(await contentUrl(client, file));
      assert.equal(response.headers.get("content-type"), "application/octet-stream");
      assert.match(response.headers.get("content-disposition"), /^attachment;/);
    }
  });

  test("a file of exactly one part goes as one request, one byte more as two parts", async () => {
    const client = await stack.guest();
    const one = await client.open(noise(PART), { partSize: PART });
    assert.deepEqual([one.kind, one.partCount], ["single", 1]);
    const two = await client.open(noise(PART + 1), { partSize: PART });
    assert.deepEqual([two.kind, two.partCount], ["multipart", 2]);
  });

  test("parts need no checksum and complete needs no list of them", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 7);
    const grant = await client.open(bytes, {
      partSize: PART,
      parts: [{ partNumber: 1 }, { partNumber: 2 }],
    });
    for (const url of grant.urls) {
      assert.deepEqual(url.headers, {});
      assert.equal((await put(url, partOf(grant, bytes, url.partNumber))).status, 200);
    }
    const file = await client.complete(grant);
    // Storage is told of checksums only where there will be some: it may hold every part to that.
    assert.deepEqual([file.status, file.checksum], ["available", {}]);
    assert.deepEqual(await download(client, file), bytes);
  });

  test("one request initiates many files, and each is answered for itself", async () => {
    const client = await stack.guest();
    const results = await client.initiate([
      { clientRef: "a", name: "a.txt", size: 1, parts: [{ partNumber: 1 }] },
      { clientRef: "b", name: "", size: 1 },
      { clientRef: "c", name: "c.bin", size: 40 * MIB, partSize: PART, parts: [{ partNumber: 8 }] },
    ]);
    assert.deepEqual(
      results.map((result) => result.clientRef),
      ["a", "b", "c"],
    );
    assert.equal(results[0].kind, "single");
    assert.equal(results[1].error.code, "invalid_request");
    assert.equal(results[2].urls[0].partNumber, 8);
  });

  test("a hundred files in one request", async () => {
    const client = await stack.guest();
    const files = Array.from({ length: 100 }, (_, index) => ({
      clientRef: `${index}`,
      name: `${index}.bin`,
      size: PART + 1,
      partSize: PART,
    }));
    const uploads = await client.initiate(files);
    assert.equal(new Set(uploads.map((upload) => upload.uploadId)).size, 100);
    assert.equal((await client.changes()).changes.length, 100);
  });
});

describe("names and what goes with them", () => {
  const NAMES = [
    "with spaces and + plus.txt",
    "100%.txt",
    "#1 'quoted' \"twice\".txt",
    "映画 – фильм – फ़िल्म – فيلم.mov",
    "emoji 🎬🏳️‍🌈.mp4",
    "back\\slash;semi=colon.txt",
    ".hidden",
    "%2e%2e",
    `${"é".repeat(125)}.tiff`,
    "x".repeat(255),
    `${"あ".repeat(251)}.pdf`,
  ];
  for (const name of NAMES) {
    test(`the download of ${JSON.stringify(name.slice(0, 40))} has the file's own name`, async () => {
      const client = await stack.guest();
      const bytes = noise(50);
      const file = await client.upload(bytes, { name });
      assert.equal(file.name, name.normalize("NFC"));
      const response = await fetch(await contentUrl(client, file));
      assert.equal(response.status, 200);
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes);
      const disposition = response.headers.get("content-disposition");
      assert.match(disposition, /^attachment; filename="[^"]*"; filename\*=UTF-8''/);
      assert.equal(decodeURIComponent(disposition.split("filename*=UTF-8''")[1]), file.name);
    });
  }

  test("names and folders are kept in Unicode NFC", async () => {
    const client = await stack.guest();
    const file = await client.upload(noise(1), { name: "cafe\u0301.txt", path: "/A\u030a/" });
    assert.deepEqual([file.name, file.path], ["caf\u00e9.txt", "\u00c5"]);
  });

  test("folder, metadata and media type come back as they went in", async () => {
    const client = await stack.guest();
    const metadata = { camera: "b", ключ: "значение" };
    const file = await client.upload(noise(3), {
      name: "a.mov",
      path: "raw/2026",
      metadata,
      contentType: "video/quicktime",
    });
    assert.equal(file.path, "raw/2026");
    assert.deepEqual(file.metadata, metadata);
    assert.equal(file.contentType, "video/quicktime");
    assert.match(file.owner, /^guest-/);
    assert.equal(file.workspace, client.workspace);
  });

  test("a program that accepts JSON gets the download link itself", async () => {
    const client = await stack.guest();
    const bytes = noise(9);
    const file = await client.upload(bytes);
    const link = await client.ask("GET", `/v1/files/${file.fileId}/content`, {
      headers: { accept: "application/json" },
    });
    assert.ok(link.expiresIn > 0 && Date.parse(link.expiresAt) > Date.now());
    assert.deepEqual(Buffer.from(await (await fetch(link.url)).arrayBuffer()), bytes);
  });
});

describe("repeating a request", () => {
  test("the same idempotency key and body answer the same uploads", async () => {
    const client = await stack.guest();
    const files = [
      { clientRef: "a", name: "a", size: 1 },
      { clientRef: "b", name: "b", size: PART + 1, partSize: PART },
    ];
    const headers = { "idempotency-key": "k1" };
    const first = await client.initiate(files, headers);
    const second = await client.initiate(files, headers);
    const ids = (uploads) => uploads.map(({ uploadId, fileId }) => ({ uploadId, fileId }));
    assert.deepEqual(ids(second), ids(first));
    assert.equal((await client.changes()).seq, 2);

    const other = { body: { files: files.slice(0, 1) }, headers };
    await client.refused("conflict", "POST", "/v1/uploads", other);
  });

  test("the same key at once opens one upload, and storage keeps one", async () => {
    const client = await stack.guest();
    const files = [{ clientRef: "a", name: "a", size: PART + 1, partSize: PART }];
    const replies = await Promise.all(
      Array.from({ length: 6 }, () => client.initiate(files, { "idempotency-key": "race" })),
    );
    const ids = new Set(replies.map(([upload]) => upload.uploadId));
    assert.equal(ids.size, 1);
    assert.equal((await client.changes()).seq, 1);
  });

  test("another user's key of the same name is another key", async () => {
    const workspace = `w-${Date.now()}`;
    const [ann, bob] = [await stack.guest(workspace), await stack.guest(workspace)];
    const key = { "idempotency-key": "same" };
    const [a] = await ann.initiate([{ clientRef: "a", name: "a", size: 1 }], key);
    const [b] = await bob.initiate([{ clientRef: "b", name: "b", size: 2 }], key);
    assert.notEqual(a.uploadId, b.uploadId);
  });

  test("completing twice, and at once, answers the same record", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 1);
    const grant = await client.open(bytes, { partSize: PART });
    const parts = await client.sendParts(grant, bytes);
    const body = { crc64nvme: await crc64nvme(bytes), parts };
    const records = await Promise.all(Array.from({ length: 5 }, () => client.complete(grant, body)));
    records.push(await client.complete(grant, body));
    for (const record of records) assert.deepEqual(record, records[0]);
    assert.equal((await client.changes()).seq, 2);
  });
});

describe("resuming", () => {
  test("the state lists what storage holds and gives a ticket that works", async () => {
    const client = await stack.guest();
    const bytes = noise(3 * PART);
    const grant = await client.open(bytes, { partSize: PART });
    await client.sendParts(grant, bytes, [1, 3]);
    const state = await client.ask("GET", `/v1/uploads/${grant.uploadId}`);
    assert.equal(state.status, "uploading");
    assert.deepEqual(
      state.parts.map(({ partNumber, size }) => [partNumber, size]),
      [
        [1, PART],
        [3, PART],
      ],
    );
    await client.sendParts({ ...grant, ticket: state.ticket }, bytes, [2]);
    assert.equal((await client.complete(grant)).status, "available");
    const ended = await client.ask("GET", `/v1/uploads/${grant.uploadId}`);
    assert.equal(ended.status, "available");
    assert.equal(ended.ticket, undefined);
    assert.deepEqual(ended.parts, []);
  });

  test("a later token of the same workspace may resume", async () => {
    const first = await stack.guest();
    const bytes = noise(10);
    const grant = await first.open(bytes);
    const later = await stack.guest(first.workspace);
    const { ticket } = await later.ask("GET", `/v1/uploads/${grant.uploadId}`);
    await later.sendParts({ ...grant, ticket }, bytes);
    assert.equal((await later.complete({ ...grant, ticket })).status, "available");
  });

  test("a part sent again replaces the one before", async () => {
    const client = await stack.guest();
    const bytes = noise(2 * PART);
    const grant = await client.open(bytes, { partSize: PART });
    const [url] = await client.sign(grant, [{ partNumber: 1 }]);
    assert.equal((await put(url, noise(PART))).status, 200);
    const parts = await client.sendParts(grant, bytes);
    const file = await client.complete(grant, { crc64nvme: await crc64nvme(bytes), parts });
    assert.deepEqual(await download(client, file), bytes);
  });

  test("more than a page of parts is listed to the end", async () => {
    // SeaweedFS lists as many as it is asked for, at most 1000 here.
    const client = await stack.guest();
    const size = 1002 * PART;
    const grant = await client.open({ length: size }, { partSize: PART });
    assert.equal(grant.partCount, 1002);
    const bytes = noise(PART);
    const [url] = await client.sign(grant, [{ partNumber: 1002 }]);
    assert.equal((await put(url, bytes)).status, 200);
    const { parts } = await client.ask("GET", `/v1/uploads/${grant.uploadId}`);
    assert.deepEqual(
      parts.map((part) => part.partNumber),
      [1002],
    );
    const problem = await client.completeRefused("parts_missing", grant);
    assert.equal(problem.parts.length, 100);
  });
});

describe("files", () => {
  test("are listed newest first, page by page, without those that are gone", async () => {
    const client = await stack.guest();
    const names = ["1", "2", "3", "4", "5"];
    for (const name of names) await client.upload(noise(1), { name });
    const listed = [];
    for (let cursor; ;) {
      const page = await client.ask("GET", `/v1/files?limit=2${cursor ? `&cursor=${cursor}` : ""}`);
      listed.push(...page.files);
      cursor = page.nextCursor;
      if (!cursor) break;
    }
    assert.deepEqual(
      listed.map((file) => file.name),
      names.toReversed(),
    );
    await client.ask("DELETE", `/v1/files/${listed[0].fileId}`);
    const left = await client.ask("GET", "/v1/files");
    assert.equal(left.files.length, 4);
    const deleted = await client.ask("GET", "/v1/files?status=deleted");
    assert.deepEqual(
      deleted.files.map((file) => file.fileId),
      [listed[0].fileId],
    );
  });

  test("a deleted file's bytes are gone, and deleting twice answers the same", async () => {
    const client = await stack.guest();
    const file = await client.upload(noise(5));
    const url = await contentUrl(client, file);
    assert.equal((await fetch(url)).status, 200);
    const deleted = await client.ask("DELETE", `/v1/files/${file.fileId}`);
    assert.equal(deleted.status, "deleted");
    assert.deepEqual(await client.ask("DELETE", `/v1/files/${file.fileId}`), deleted);
    assert.equal((await fetch(url)).status, 404);
    await client.refused("not_found", "GET", `/v1/files/${file.fileId}/content`);
  });
});

async function contentUrl(client, file) {
  const response = await client.send("GET", `/v1/files/${file.fileId}/content`);
  assert.equal(response.status, 302);
  assert.equal(response.headers.get("cache-control"), "no-store");
  return response.headers.get("location");
}

async function download(client, file) {
  const response = await fetch(await contentUrl(client, file));
  assert.equal(response.status, 200);
  return Buffer.from(await response.arrayBuffer());
}
