import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MIB, PART, assertProblem, crc64nvme, noise, put, useStack } from "./support.mjs";

const stack = useStack({ vars: { MAX_FILE_SIZE: undefined } });

/** Largest object: 10,000 parts of 5 GiB. */
const MAX_OBJECT = 10_000 * 5 * 1024 * MIB;

describe("initiate refuses", () => {
  const file = { clientRef: "f", name: "a", size: 1 };
  const WHOLE_REQUESTS = {
    "no JSON": "{",
    "no object": "[]",
    "no files": { files: [] },
    "an unknown field": { files: [file], extra: 1 },
    "an unknown field of a file": { files: [{ ...file, extra: 1 }] },
    "a file without a name": { files: [{ clientRef: "f", size: 1 }] },
    "a negative size": { files: [{ ...file, size: -1 }] },
    "a broken size": { files: [{ ...file, size: 1.5 }] },
    "a size beyond 64 bits": '{"files":[{"clientRef":"f","name":"a","size":99999999999999999999}]}',
    "part number 0": { files: [{ ...file, parts: [{ partNumber: 0 }] }] },
    "part number 10001": { files: [{ ...file, parts: [{ partNumber: 10_001 }] }] },
    "a checksum that is none": { files: [{ ...file, parts: [{ partNumber: 1, crc64nvme: "AAAA" }] }] },
    "101 files": { files: Array.from({ length: 101 }, () => file) },
    "101 parts": {
      files: [
        { ...file, size: 600 * MIB, parts: Array.from({ length: 101 }, (_, i) => ({ partNumber: i + 1 })) },
      ],
    },
    "a body over a megabyte": JSON.stringify({ files: [file] }) + " ".repeat(1024 * 1024),
    "a body over the platform's reading limit": " ".repeat(3 * 1024 * 1024),
    "deeply nested JSON": "[".repeat(100_000),
  };
  for (const [what, body] of Object.entries(WHOLE_REQUESTS)) {
    test(what, async () => {
      const client = await stack.guest();
      const problem = await client.refused("invalid_request", "POST", "/v1/uploads", { body });
      assert.equal(problem.status, 400);
      assert.equal((await client.changes()).seq, 0);
    });
  }

  const SINGLE_FILES = {
    "an empty name": [{ name: "" }, "invalid_request"],
    "a name of 256 units": [{ name: "x".repeat(256) }, "invalid_request"],
    "a name with a slash": [{ name: "a/b" }, "invalid_request"],
    "the name ..": [{ name: ".." }, "invalid_request"],
    "a path that climbs": [{ path: "a/../b" }, "invalid_request"],
    "a path that is too long": [{ path: "a/".repeat(600) }, "invalid_request"],
    "too much metadata": [
      { metadata: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [i, ""])) },
      "invalid_request",
    ],
    "a metadata value that is too long": [{ metadata: { a: "x".repeat(16 * 1024) } }, "invalid_request"],
    "a clientRef that is too long": [{ clientRef: "x".repeat(257) }, "invalid_request"],
    "one byte more than 10,000 parts of 5 GiB": [{ size: MAX_OBJECT + 1 }, "file_too_large"],
    "a part twice": [{ parts: [{ partNumber: 1 }, { partNumber: 1 }] }, "invalid_request"],
    "a part that the file does not have": [{ parts: [{ partNumber: 2 }] }, "invalid_request"],
  };
  for (const [what, [change, code]] of Object.entries(SINGLE_FILES)) {
    test(`${what}, and takes the file beside it`, async () => {
      const client = await stack.guest();
      const [refused, granted] = await client.initiate([
        { ...file, ...change },
        { ...file, clientRef: "good" },
      ]);
      assert.equal(refused.error?.code, code, JSON.stringify(refused));
      assert.equal(refused.uploadId, undefined);
      assert.equal(granted.clientRef, "good");
      assert.ok(granted.uploadId);
      assert.equal((await client.changes()).seq, 1);
    });
  }

  test("no file of the greatest size", async () => {
    const client = await stack.guest();
    const [grant] = await client.initiate([{ ...file, size: MAX_OBJECT }]);
    assert.deepEqual([grant.partCount, grant.partSize], [10_000, 5 * 1024 * MIB]);
  });

  for (const key of ["", " ", "x".repeat(256)]) {
    test(`an idempotency key of ${key.trim().length} characters`, async () => {
      const client = await stack.guest();
      const headers = { "idempotency-key": key };
      await client.refused("invalid_request", "POST", "/v1/uploads", { body: { files: [file] }, headers });
    });
  }
});

describe("signing refuses", () => {
  const REQUESTS = {
    "no parts": { parts: [] },
    "101 parts": { parts: Array.from({ length: 101 }, (_, i) => ({ partNumber: i + 1 })) },
    "a part twice": { parts: [{ partNumber: 1 }, { partNumber: 1 }] },
    "part number 0": { parts: [{ partNumber: 0 }] },
    "a part that the upload does not have": { parts: [{ partNumber: 3 }] },
    "an unknown field": { parts: [{ partNumber: 1 }], extra: true },
    "a ticket that is none": { ticket: "t1.a.b.c", parts: [{ partNumber: 1 }] },
    "no ticket": { ticket: undefined, parts: [{ partNumber: 1 }] },
  };
  for (const [what, change] of Object.entries(REQUESTS)) {
    test(what, async () => {
      const client = await stack.guest();
      const grant = await client.open(noise(PART + 1), { partSize: PART });
      const body = { ticket: grant.ticket, ...change };
      await client.refused("invalid_request", "POST", `/v1/uploads/${grant.uploadId}/parts`, { body });
    });
  }

  test("a ticket with one character changed", async () => {
    const client = await stack.guest();
    const grant = await client.open(noise(1));
    for (const at of [3, 60, 200, -2]) {
      const index = at < 0 ? grant.ticket.length + at : at;
      const other = grant.ticket[index] === "A" ? "B" : "A";
      const ticket = grant.ticket.slice(0, index) + other + grant.ticket.slice(index + 1);
      const body = { ticket, parts: [{ partNumber: 1 }] };
      await client.refused("invalid_request", "POST", `/v1/uploads/${grant.uploadId}/parts`, { body });
    }
  });

  test("another upload's ticket, another user's, another workspace's", async () => {
    const ann = await stack.guest();
    const [one, other] = [await ann.open(noise(1)), await ann.open(noise(1))];
    const body = { ticket: one.ticket, parts: [{ partNumber: 1 }] };
    await ann.refused("invalid_request", "POST", `/v1/uploads/${other.uploadId}/parts`, { body });
    const bob = await stack.guest(ann.workspace);
    await bob.refused("forbidden", "POST", `/v1/uploads/${one.uploadId}/parts`, { body });
    const eve = await stack.guest();
    await eve.refused("not_found", "POST", `/v1/uploads/${one.uploadId}/parts`, { body });
  });
});

describe("another workspace", () => {
  test("sees neither upload nor file", async () => {
    const ann = await stack.guest();
    const file = await ann.upload(noise(3));
    const grant = await ann.open(noise(3));
    const eve = await stack.guest();
    await eve.refused("not_found", "GET", `/v1/uploads/${grant.uploadId}`);
    await eve.refused("not_found", "DELETE", `/v1/uploads/${grant.uploadId}`);
    await eve.refused("not_found", "GET", `/v1/files/${file.fileId}`);
    await eve.refused("not_found", "GET", `/v1/files/${file.fileId}/content`);
    await eve.refused("not_found", "DELETE", `/v1/files/${file.fileId}`);
    await eve.completeRefused("not_found", grant);
    assert.deepEqual((await eve.ask("GET", "/v1/files")).files, []);
    assert.equal((await ann.ask("GET", `/v1/files/${file.fileId}`)).status, "available");
  });

  test("does not learn whether an id is well formed", async () => {
    const client = await stack.guest();
    for (const id of ["unknown", "..%2f..", "%00", "x".repeat(100)]) {
      await client.refused("not_found", "GET", `/v1/uploads/${id}`);
      await client.refused("not_found", "GET", `/v1/files/${id}`);
    }
  });
});

describe("storage refuses", () => {
  /** Whether the answer is storage's refusal, and why. */
  async function refusal(response) {
    const body = await response.text();
    assert.ok(response.status >= 400 && response.status < 500, `${response.status} ${body}`);
    return body.match(/<Code>(\w+)<\/Code>/)?.[1];
  }

  test("a part of another length, and takes the right one afterwards", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 100);
    const grant = await client.open(bytes, { partSize: PART });
    const [url] = await client.sign(grant, [{ partNumber: 2 }]);
    assert.equal(await refusal(await put(url, noise(99))), "SignatureDoesNotMatch");
    assert.equal(await refusal(await put(url, noise(101))), "SignatureDoesNotMatch");
    await client.sendParts(grant, bytes);
    assert.equal((await client.complete(grant)).status, "available");
  });

  test("content other than the signed checksum, and takes the right one afterwards", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 100);
    const grant = await client.open(bytes, { partSize: PART });
    const right = bytes.subarray(PART);
    const [url] = await client.sign(grant, [{ partNumber: 2, crc64nvme: await crc64nvme(right) }]);
    assert.ok(await refusal(await put(url, noise(100))));
    await client.sendParts(grant, bytes, [1]);
    const problem = await client.completeRefused("parts_missing", grant);
    assert.deepEqual(problem.parts, [2]);
    assert.equal((await put(url, right)).status, 200);
    assert.equal((await client.complete(grant)).status, "available");
  });

  test("another checksum header, a missing one, and one that nobody signed", async () => {
    const client = await stack.guest();
    const bytes = noise(10);
    const checksum = await crc64nvme(bytes);
    const grant = await client.open(bytes);
    const [signed] = await client.sign(grant, [{ partNumber: 1, crc64nvme: checksum }]);
    const other = await crc64nvme(noise(10));
    await refusal(await put(signed, bytes, { "x-amz-checksum-crc64nvme": other }));
    const { "x-amz-checksum-crc64nvme": _, ...headers } = signed.headers;
    await refusal(await put({ ...signed, headers }, bytes));
    const [bare] = await client.sign(grant, [{ partNumber: 1 }]);
    await refusal(await put(bare, bytes, { "x-amz-checksum-crc64nvme": checksum }));
  });

  test("another part than the URL was signed for", async () => {
    const client = await stack.guest();
    const bytes = noise(2 * PART);
    const grant = await client.open(bytes, { partSize: PART });
    const [url] = await client.sign(grant, [{ partNumber: 1 }]);
    const moved = { ...url, url: url.url.replace("partNumber=1", "partNumber=2") };
    assert.equal(await refusal(await put(moved, bytes.subarray(PART))), "SignatureDoesNotMatch");
  });

  test("a file of one request in another length or content", async () => {
    const client = await stack.guest();
    const bytes = noise(10);
    const grant = await client.open(bytes);
    const [url] = await client.sign(grant, [{ partNumber: 1, crc64nvme: await crc64nvme(bytes) }]);
    await refusal(await put(url, noise(11)));
    await refusal(await put(url, noise(10)));
    const problem = await client.completeRefused("parts_missing", grant);
    assert.deepEqual(problem.parts, [1]);
  });
});

describe("complete refuses", () => {
  test("while parts are missing, names the first ones, and goes on when they are there", async () => {
    const client = await stack.guest();
    const bytes = noise(3 * PART + 5);
    const grant = await client.open(bytes, { partSize: PART });
    await client.sendParts(grant, bytes, [2]);
    const problem = await client.completeRefused("parts_missing", grant);
    assert.deepEqual(problem.parts, [1, 3, 4]);
    assert.equal(problem.status, 422);
    await client.sendParts(grant, bytes, [1, 3, 4]);
    assert.equal((await client.complete(grant)).status, "available");
  });

  test("a checksum of the whole that is wrong, and takes the right one afterwards", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 5);
    const grant = await client.open(bytes, { partSize: PART });
    await client.sendParts(grant, bytes);
    await client.completeRefused("checksum_mismatch", grant, { crc64nvme: await crc64nvme(noise(5)) });
    assert.equal((await client.ask("GET", `/v1/files/${grant.fileId}`)).status, "uploading");
    const file = await client.complete(grant, { crc64nvme: await crc64nvme(bytes) });
    assert.equal(file.status, "available");
  });

  test("part checksums that do not make the whole", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 5);
    const grant = await client.open(bytes, { partSize: PART });
    const parts = await client.sendParts(grant, bytes);
    const body = { crc64nvme: await crc64nvme(noise(1)), parts };
    await client.completeRefused("checksum_mismatch", grant, body);
  });

  test("a part checksum that storage contradicts", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 5);
    const grant = await client.open(bytes, { partSize: PART });
    const parts = await client.sendParts(grant, bytes);
    parts[1].crc64nvme = await crc64nvme(noise(5));
    await client.completeRefused("checksum_mismatch", grant, { parts });
    assert.equal((await client.complete(grant)).status, "available");
  });

  test("a file of one request whose checksum it cannot compare, until it can", async () => {
    const client = await stack.guest();
    const bytes = noise(10);
    const grant = await client.open(bytes);
    const [bare] = await client.sign(grant, [{ partNumber: 1 }]);
    assert.equal((await put(bare, noise(10))).status, 200);
    const claim = { crc64nvme: await crc64nvme(bytes) };
    const problem = await client.completeRefused("checksum_mismatch", grant, claim);
    assert.deepEqual(problem.parts, [1]);
    await client.sendParts(grant, bytes);
    await client.completeRefused("checksum_mismatch", grant, { crc64nvme: await crc64nvme(noise(10)) });
    assert.equal((await client.complete(grant, claim)).status, "available");
  });

  test("parts that are named twice or do not exist", async () => {
    const client = await stack.guest();
    const grant = await client.open(noise(1));
    for (const parts of [[{ partNumber: 1 }, { partNumber: 1 }], [{ partNumber: 2 }], [{ partNumber: 0 }]]) {
      await client.completeRefused("invalid_request", grant, { parts });
    }
  });

  test("a body over two megabytes", async () => {
    const client = await stack.guest();
    const grant = await client.open(noise(1));
    const body = JSON.stringify({ ticket: grant.ticket }) + " ".repeat(2 * MIB);
    const path = `/v1/uploads/${grant.uploadId}/complete`;
    await client.refused("invalid_request", "POST", path, { body });
  });

  test("nothing of a list of 10,000 parts", async () => {
    const client = await stack.guest();
    const grant = await client.open({ length: 10_000 * PART }, { partSize: PART });
    const parts = Array.from({ length: 10_000 }, (_, index) => ({
      partNumber: index + 1,
      etag: '"d41d8cd98f00b204e9800998ecf8427e"',
      crc64nvme: "L/E4WYn8v98=",
    }));
    const problem = await client.completeRefused("parts_missing", grant, { parts });
    assert.equal(problem.parts.length, 100);
  });
});

describe("the rest of the API", () => {
  test("knows no other endpoint and no other method", async () => {
    const client = await stack.guest();
    await client.refused("not_found", "GET", "/v1/nothing");
    await client.refused("not_found", "GET", "/v1/uploads/a/b/c");
    for (const [method, path] of [
      ["PUT", "/v1/uploads"],
      ["PUT", "/v1/files"],
      ["POST", "/healthz"],
      ["GET", "/v1/auth/token"],
    ]) {
      const problem = await assertProblem(await client.send(method, path), "invalid_request");
      assert.equal(problem.status, 405);
    }
  });

  test("answers addresses that are too long or odd", async () => {
    const client = await stack.guest();
    const code = (path) => client.send("GET", path).then((response) => response.status);
    assert.ok([400, 414, 431].includes(await code(`/v1/files?cursor=${"1".repeat(70_000)}`)));
    assert.equal(await code("/v1/files/%ff%fe"), 404);
    assert.equal(await code('/v1/files?a="<>`{}|^'), 200);
    assert.equal(await code("//v1//files"), 404);
  });

  test("takes numbers in queries only as numbers", async () => {
    const client = await stack.guest();
    for (const query of ["limit=0", "limit=1001", "limit=x", "cursor=-1", "limit=1&limit=2", "status=new"]) {
      await client.refused("invalid_request", "GET", `/v1/files?${query}`);
    }
    for (const query of ["since=x", "since=-1", "since=9007199254740992", "limit=0"]) {
      await client.refused("invalid_request", "GET", `/v1/changes?${query}`);
    }
  });

  test("a file that is still uploading can be neither read nor removed", async () => {
    const client = await stack.guest();
    const grant = await client.open(noise(1));
    await client.refused("conflict", "GET", `/v1/files/${grant.fileId}/content`);
    await client.refused("conflict", "DELETE", `/v1/files/${grant.fileId}`);
  });
});
