// What the entry for Uppy asks the coordinator, and what it does about answers that no real coordinator gives on demand.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import test from "node:test";

import { UploadError } from "../../uploader-wasm/npm/dist/index.js";
import { uppyCallbacks, uppySigner } from "../../uploader-wasm/npm/dist/uppy.js";

const MIB = 1024 * 1024;
const FILE = { name: "film.bin", type: "video/mp4", meta: { name: "film.bin" }, data: { size: 200 * MIB } };

test("parts have the size that the coordinator would choose, or the page's, while 10,000 suffice", () => {
  const sizes = (partSize) => {
    const { getChunkSize } = uppyCallbacks({
      endpoint: "https://files.example.com",
      token: "a.b.c",
      partSize,
    });
    return (size) => getChunkSize({ size }) / MIB;
  };
  // As `default_part_size` of protocol/src/parts.rs has it.
  const own = sizes();
  assert.deepEqual(
    [0, 16, 1024, 1025, 2048, 5000, 640_000, 640_001, 5_000_000].map((mib) => own(mib * MIB)),
    [16, 16, 16, 17, 32, 64, 64, 65, 500],
  );
  const wished = sizes(8 * MIB);
  assert.deepEqual(
    [1, 80_000, 80_001].map((mib) => wished(mib * MIB)),
    [8, 8, 9],
  );
});

test("a file is described as Uppy knows it", async (t) => {
  const coordinator = await startCoordinator(t, { "POST /v1/uploads": granted });
  const { createMultipartUpload } = uppyCallbacks(
    coordinator.client({ path: "/raw/", allowedMetaFields: ["camera", "tags", "none"] }),
  );
  const meta = {
    name: "renamed.mp4",
    type: "video/mp4",
    relativePath: "/2026/day/film.bin",
    camera: 7,
    tags: ["a"],
    none: null,
    secret: "s",
  };
  assert.deepEqual(await createMultipartUpload({ ...FILE, meta }), { uploadId: "u1", key: "f1" });
  const [{ parts, ...file }] = coordinator.requests[0].body.files;
  assert.deepEqual(file, {
    clientRef: "1",
    name: "renamed.mp4",
    size: 200 * MIB,
    contentType: "video/mp4",
    path: "raw/2026/day",
    metadata: { camera: "7", tags: '["a"]' },
    partSize: 16 * MIB,
  });
  assert.deepEqual(
    parts.map(({ partNumber }) => partNumber),
    range(1, 13),
  );
});

test("URLs are asked for in advance, handed out once, and not when they are about to expire", async (t) => {
  let expiresIn = 3600;
  const coordinator = await startCoordinator(t, {
    "POST /v1/uploads": granted,
    "POST /v1/uploads/u1/parts": ({ body }) => signed(body.parts, expiresIn),
  });
  const { createMultipartUpload, signPart } = uppyCallbacks(coordinator.client({ partSize: 5 * MIB }));
  await createMultipartUpload(FILE);
  const sign = (partNumber) => signPart(FILE, { uploadId: "u1", key: "f1", partNumber });
  const asked = () =>
    coordinator.requests.slice(1).map(({ body }) => body.parts.map(({ partNumber }) => partNumber));

  const urls = await Promise.all(range(1, 40).map(sign));
  assert.deepEqual(
    urls.map(({ url }) => new URL(url).pathname),
    range(1, 40).map((n) => `/${n}`),
  );
  assert.deepEqual(asked(), [range(17, 32), range(33, 40)]);

  assert.notEqual((await sign(3)).url, urls[2].url, "a second attempt gets a URL of its own");
  assert.deepEqual(asked().at(-1), [3]);

  expiresIn = 20;
  coordinator.requests.length = 0;
  await createMultipartUpload(FILE);
  await sign(17);
  await sign(18);
  assert.deepEqual(
    asked(),
    [range(17, 32), [18]],
    "what comes with a URL that is about to expire is asked for again",
  );
});

test("a token that is no longer taken is asked for once more, by all who wait at once", async (t) => {
  const coordinator = await startCoordinator(t, {
    "GET /v1/uploads/u1": ({ headers }) =>
      headers.authorization === "Bearer fresh" ? { parts: [] } : problem(401, "unauthenticated"),
  });
  let asked = 0;
  const { listParts } = uppyCallbacks(
    coordinator.client({ token: () => (asked++ === 0 ? "stale" : "fresh") }),
  );
  const lists = await Promise.all(range(1, 3).map(() => listParts(FILE, { uploadId: "u1", key: "f1" })));
  assert.deepEqual(lists, [[], [], []]);
  assert.equal(asked, 2);

  const { listParts: neverTaken } = uppyCallbacks(coordinator.client({ token: "stale" }));
  await assert.rejects(neverTaken(FILE, { uploadId: "u1", key: "f1" }), is("unauthenticated"));
});

test("passing troubles are waited out, and an upload is not begun twice", async (t) => {
  const troubles = [
    problem(503, "storage_unavailable", { retryAfter: 0 }),
    "broken",
    { status: 502, body: "<html>" },
  ];
  const coordinator = await startCoordinator(t, {
    "POST /v1/uploads": (request) => troubles.shift() ?? granted(request),
  });
  const { createMultipartUpload } = uppyCallbacks(coordinator.client());
  await createMultipartUpload(FILE);
  assert.equal(coordinator.requests.length, 4);
  const keys = new Set(coordinator.requests.map(({ headers }) => headers["idempotency-key"]));
  assert.equal(keys.size, 1);
  assert.match([...keys][0], /^[0-9a-f]{32}$/);
});

test("what cannot be cured is told with the coordinator's code, at once", async (t) => {
  const coordinator = await startCoordinator(t, {
    "POST /v1/uploads": () => ({ uploads: [{ clientRef: "1", error: problem(403, "quota_exceeded").body }] }),
    "POST /v1/uploads/u1/complete": () => problem(422, "parts_missing"),
    "GET /v1/uploads/u1": () => ({ uploadId: "u1", fileId: "f1", ticket: "t2", partCount: 13 }),
    "GET /v1/uploads/gone": () => ({ uploadId: "gone", fileId: "f1", partCount: 13, status: "aborted" }),
    "DELETE /v1/uploads/u1": () => problem(404, "not_found"),
  });
  const callbacks = uppyCallbacks(coordinator.client());
  await assert.rejects(callbacks.createMultipartUpload(FILE), is("quota_exceeded"));
  await assert.rejects(
    callbacks.completeMultipartUpload(FILE, { uploadId: "u1", key: "f1" }),
    is("parts_missing"),
  );
  await assert.rejects(callbacks.signPart(FILE, { uploadId: "gone", partNumber: 1 }), is("upload_gone"));
  await callbacks.abortMultipartUpload(FILE, { uploadId: "u1", key: "f1" });
  assert.equal(coordinator.requests.length, 5);
});

test("an upload that Uppy waits for no more, or that is cut otherwise, is given up", async (t) => {
  let partSize = 16 * MIB;
  const controller = new AbortController();
  const coordinator = await startCoordinator(t, {
    "POST /v1/uploads": (request) => {
      const [{ size }] = request.body.files;
      return {
        uploads: [{ ...granted(request).uploads[0], partSize, partCount: Math.ceil(size / partSize) }],
      };
    },
    "DELETE /v1/uploads/u1": () => ({ uploadId: "u1", status: "aborted" }),
  });
  const { createMultipartUpload } = uppyCallbacks(coordinator.client());
  const begun = createMultipartUpload(FILE, controller.signal);
  controller.abort(new Error("paused"));
  await assert.rejects(begun, /paused/);
  assert.deepEqual(coordinator.seen(), ["POST /v1/uploads", "DELETE /v1/uploads/u1"]);

  partSize = 32 * MIB;
  await assert.rejects(createMultipartUpload(FILE), is("protocol_violation"));
  assert.deepEqual(coordinator.seen().slice(2), ["POST /v1/uploads", "DELETE /v1/uploads/u1"]);
});

test("a ticket that was another subject's is replaced", async (t) => {
  const coordinator = await startCoordinator(t, {
    "POST /v1/uploads": granted,
    "GET /v1/uploads/u1": () => ({ uploadId: "u1", fileId: "f1", ticket: "theirs", partCount: 13 }),
    "POST /v1/uploads/u1/complete": ({ body }) =>
      body.ticket === "theirs" ? { fileId: "f1", name: "film.bin" } : problem(403, "forbidden"),
  });
  const { createMultipartUpload, completeMultipartUpload } = uppyCallbacks(coordinator.client());
  await createMultipartUpload(FILE);
  assert.deepEqual(await completeMultipartUpload(FILE, { uploadId: "u1", key: "f1", parts: [] }), {
    fileId: "f1",
    name: "film.bin",
    location: `${coordinator.endpoint}/v1/files/f1/content`,
    key: "f1",
  });
});

test("the signer hands on what Uppy asks, and finds the coordinator's own addresses", async (t) => {
  const coordinator = await startCoordinator(t, {
    "POST /v1/s3/sign": ({ body }) =>
      body.partNumber
        ? { url: "https://s3.example.com/part" }
        : { url: "calls/create", key: "k", headers: { a: "b" }, fields: { key: "k" } },
  });
  const { signRequest, generateObjectKey } = uppySigner(coordinator.client({ path: "raw" }));
  const key = generateObjectKey({ name: "a.txt", meta: { relativePath: "day/a.txt" } });
  assert.match(key, /^raw\/day\/[0-9a-f-]{36}-a\.txt$/);
  assert.match(
    uppySigner(coordinator.client()).generateObjectKey({ name: "a.txt" }),
    /^[0-9a-f-]{36}-a\.txt$/,
  );
  assert.deepEqual(await signRequest({ method: "POST", key }), {
    url: `${coordinator.endpoint}/v1/s3/calls/create`,
    key: "k",
    headers: { a: "b" },
    fields: { key: "k" },
  });
  const part = { method: "PUT", key: "k", uploadId: "u", partNumber: 2 };
  assert.equal((await signRequest(part)).url, "https://s3.example.com/part");
  assert.deepEqual(coordinator.requests[1].body, part);
});

/** Answers as its rules say, each by method and path, and keeps what was asked. */
async function startCoordinator(t, rules) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request;
    const seen = { method, url, headers, body: method === "POST" ? await json(request) : undefined };
    requests.push(seen);
    const answer = rules[`${method} ${url}`]?.(seen) ?? { status: 404, body: "no rule" };
    if (answer === "broken") return request.socket.destroy();
    const { status, body } = typeof answer.status === "number" ? answer : { status: 200, body: answer };
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const endpoint = `http://127.0.0.1:${server.address().port}`;
  return {
    endpoint,
    requests,
    seen: () => requests.map(({ method, url }) => `${method} ${url}`),
    client: (options) => ({ endpoint: `${endpoint}/`, token: "a.b.c", ...options }),
  };
}

function granted({ body }) {
  const [{ size, partSize, parts }] = body.files;
  const partCount = Math.max(1, Math.ceil(size / partSize));
  const grant = { clientRef: "1", uploadId: "u1", fileId: "f1", ticket: "t1", partSize, partCount };
  return { uploads: [{ ...grant, ...signed(parts, 3600) }] };
}

let signatures = 0;

function signed(parts, expiresIn) {
  const url = (number) => `https://s3.example.com/${number}?signature=${++signatures}`;
  return {
    urls: parts.map(({ partNumber }) => ({
      partNumber,
      method: "PUT",
      url: url(partNumber),
      headers: {},
      expiresIn,
    })),
  };
}

function problem(status, code, more) {
  return { status, body: { status, code, detail: code, requestId: "r1", ...more } };
}

function is(code) {
  return (error) => error instanceof UploadError && error.code === code;
}

function range(first, last) {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
