// Companion's S3 endpoints: what Uppy asks and what it has to hear, down to the file in the feed.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Companion, becomes, filesOf } from "./companion.mjs";
import { PART, contentOf, noise, useStack } from "./support.mjs";

const forms = useStack({ vars: { S3_FORMS: "on" } });
const puts = useStack({ vars: { S3_FORMS: "off" } });

async function guest(stack = forms) {
  const client = await stack.guest();
  return { client, companion: await Companion.of(client) };
}

describe("a file in parts", () => {
  test("is uploading from its creation, and available with its size once it is completed", async () => {
    const { client, companion } = await guest();
    const bytes = noise(2 * PART + 7);
    const upload = await companion.create("my film.mp4", {
      metadata: {
        name: "my film.mp4",
        type: "video/mp4",
        relativePath: "raw/2026/my film.mp4",
        take: 3,
        note: null,
      },
    });
    assert.match(upload.key, new RegExp(`^${client.workspace}/[0-9a-f]{32}/my_film.mp4$`));
    assert.equal(upload.bucket, forms.s3.bucket);
    const begun = (await filesOf(client))["my film.mp4"];
    assert.deepEqual(
      [begun.status, begun.size, begun.path, begun.contentType, begun.metadata],
      ["uploading", 0, "raw/2026", "video/mp4", { take: "3" }],
    );

    const parts = [await companion.part(upload, 1, bytes.subarray(0, PART))];
    parts.push(await companion.part(upload, 2, bytes.subarray(PART, 2 * PART)));
    const stored = await companion.list(upload);
    assert.deepEqual(
      stored.map(({ PartNumber, Size }) => [PartNumber, Size]),
      [
        [1, PART],
        [2, PART],
      ],
    );
    assert.match(stored[0].ETag, /^"[0-9a-f]+"$/);
    parts.push(await companion.part(upload, 3, bytes.subarray(2 * PART)));
    // After a pause Uppy knows the first parts' ETags from the list, quoted, and the others' from replies.
    const mixed = [parts[2], { PartNumber: 1, ETag: stored[0].ETag }, parts[1]];
    const done = await companion.complete(upload, mixed);
    assert.equal(done.key, upload.key);
    assert.equal(done.location, `${forms.s3.endpoint}/${forms.s3.bucket}/${upload.key}`);
    assert.deepEqual(await companion.complete(upload, mixed), done, "told twice");

    const file = await becomes(client, "my film.mp4", "available");
    assert.deepEqual([file.fileId, file.size], [done.fileId, bytes.length]);
    assert.ok((await contentOf(client, file)).equals(bytes));
    assert.deepEqual(await client.sizesTold(), [
      ["file.uploading", 0],
      ["file.available", bytes.length],
    ]);
    await companion.refused(410, "upload_gone", "GET", companion.path(upload));
  });

  test("may have its URLs in a batch, and more than a thousand parts in one list", async () => {
    const { companion } = await guest();
    const upload = await companion.create();
    const numbers = Array.from({ length: 1001 }, (_, index) => index + 1);
    const { presignedUrls } = await companion.ask(
      "GET",
      `${companion.path(upload, "/batch")}&partNumbers=${numbers.slice(0, 1000)}`,
    );
    assert.equal(Object.keys(presignedUrls).length, 1000);
    const last = await companion.ask("GET", companion.path(upload, "/1001"));
    assert.ok(last.expires > 3000 && last.expires <= 3600);
    const urls = [...Object.values(presignedUrls), last.url];
    const sender = async () => {
      for (let url = urls.pop(); url; url = urls.pop()) {
        const { status } = await fetch(url, { method: "PUT", body: "x" });
        assert.equal(status, 200);
      }
    };
    await Promise.all(Array.from({ length: 8 }, sender));
    const listed = await companion.list(upload);
    assert.deepEqual(
      listed.map(({ PartNumber }) => PartNumber),
      numbers,
    );
    assert.deepEqual(await companion.ask("DELETE", companion.path(upload)), {});
  });

  test("is aborted, once and for all", async () => {
    const { client, companion } = await guest();
    const upload = await companion.create("gone.bin");
    const part = await companion.part(upload, 1, noise(10));
    assert.deepEqual(await companion.ask("DELETE", companion.path(upload)), {});
    assert.deepEqual(await companion.ask("DELETE", companion.path(upload)), {}, "told twice");
    await becomes(client, "gone.bin", "aborted");
    const told = await companion.refused(410, "upload_gone", "POST", companion.path(upload, "/complete"), {
      parts: [part],
    });
    assert.match(told.message, /aborted/);
    assert.equal(told.error, undefined);
  });

  test("keeps whatever name it has, and ids and keys may be written as clients write them", async () => {
    const { client, companion } = await guest();
    const name = "a+b c %2F 100%.映画";
    const upload = await companion.create(name);
    await companion.part(upload, 1, noise(3));
    const id = upload.uploadId.replaceAll(".", "%2E");
    const key = new URLSearchParams({ key: upload.key });
    const [listed] = await companion.ask("GET", `/multipart/${id}?${key}`);
    assert.equal(listed.PartNumber, 1);
    await companion.complete(upload, [{ PartNumber: 1, ETag: listed.ETag }]);
    await becomes(client, name, "available");
    // What is no id of ours is judged as one, whatever it holds.
    for (const foreign of ["a%2Fb%2B%3D", "x", "%FF", `${upload.uploadId}x`]) {
      await companion.refused(400, "invalid_request", "GET", `/multipart/${foreign}?${key}`);
    }
    for (const other of ["x", `${upload.key}+`, `${upload.key}%20`]) {
      await companion.refused(400, "invalid_request", "GET", `/multipart/${id}?key=${other}`);
    }
  });

  test("is not touched by the endpoints for files of known size, but for giving it up", async () => {
    const { client, companion } = await guest();
    const upload = await companion.create("f.bin");
    const { uploadId } = JSON.parse(Buffer.from(upload.uploadId.split(".")[2], "base64url"));
    const status = await client.ask("GET", `/v1/uploads/${uploadId}`);
    assert.deepEqual([status.status, status.size, status.ticket], ["uploading", 0, undefined]);
    const ticket = upload.uploadId;
    const path = `/v1/uploads/${uploadId}`;
    await client.refused("conflict", "POST", `${path}/parts`, {
      body: { ticket, parts: [{ partNumber: 1 }] },
    });
    await client.refused("conflict", "POST", `${path}/complete`, { body: { ticket } });
    assert.equal((await client.ask("DELETE", path)).status, "aborted");
  });

  test("that is asked for wrongly is told what Companion tells", async () => {
    const { companion } = await guest();
    const upload = await companion.create();
    const at = companion.path(upload, "/complete");
    const bad = [
      ["GET", "/params", 's3: the "filename" query parameter is required and must be a non-empty string'],
      ["POST", "/multipart", 's3: the "filename" field is required and must be a non-empty string', {}],
      ["POST", "/multipart", "s3: content type must be a string", { filename: "a", type: 1 }],
      [
        "GET",
        `/multipart/${upload.uploadId}/1`,
        's3: the object key must be passed as a query parameter. For example: "?key=abc.jpg"',
      ],
      ["GET", companion.path(upload, "/0"), "s3: the part number must be a number between 1 and 10000."],
      [
        "GET",
        companion.path(upload, "/batch"),
        's3: the part numbers must be passed as a comma separated query parameter. For example: "?partNumbers=4,6,7,21"',
      ],
      ["POST", at, "s3: `parts` must be an array of {ETag, PartNumber} objects.", { parts: [{ ETag: "a" }] }],
      ["POST", at, "s3: `parts` must be an array of {ETag, PartNumber} objects.", { parts: "1" }],
    ];
    for (const [method, path, message, body] of bad) {
      const told = await companion.refused(400, "invalid_request", method, path, body);
      assert.deepEqual([told.error, told.message], [message, message]);
    }
    for (const path of ["/sts", "", "/nothing", "/multipart/a/b/c"]) {
      assert.equal((await companion.refused(404, "not_found", "GET", path)).message, "Not Found");
    }
    await companion.refused(405, "invalid_request", "DELETE", "/params");
  });
});

describe("a file in one request", () => {
  const query = new URLSearchParams({
    filename: "note 1+1.txt",
    type: "text/plain",
    "metadata[name]": "note 1+1.txt",
    "metadata[caption]": "a b",
  });

  for (const size of [0, 5000]) {
    test(`goes as a form and is found by the ledger: ${size} bytes`, async () => {
      const { client, companion } = await guest(forms);
      const bytes = noise(size);
      const { method, url, fields, expires } = await companion.ask("GET", `/params?${query}`);
      assert.equal(method, "POST");
      assert.ok(expires > 3000);
      const form = new FormData();
      for (const [name, value] of Object.entries(fields)) form.append(name, value);
      form.append("file", new Blob([bytes]));
      const response = await fetch(url, { method, body: form });
      assert.ok(response.ok, await response.text());
      const file = await becomes(client, "note 1+1.txt", "available");
      assert.deepEqual([file.size, file.metadata], [size, { caption: "a b" }]);
      assert.ok((await contentOf(client, file)).equals(bytes));
    });
  }

  test("goes as a PUT with its media type where storage takes no forms", async () => {
    const { client, companion } = await guest(puts);
    const bytes = noise(5000);
    const { method, url, fields, headers } = await companion.ask("GET", `/params?${query}`);
    assert.deepEqual([method, fields, headers], ["PUT", {}, { "content-type": "text/plain" }]);
    assert.equal((await fetch(url, { method, headers: { "content-type": "a/b" }, body: bytes })).status, 403);
    assert.equal((await fetch(url, { method, headers, body: bytes })).status, 200);
    const file = await becomes(client, "note 1+1.txt", "available");
    assert.ok((await contentOf(client, file)).equals(bytes));
  });
});
