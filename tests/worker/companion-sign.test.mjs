// `POST /v1/s3/sign` and the calls it permits: S3 as Uppy 6 speaks it in `signRequest` mode.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { becomes, filesOf } from "./companion.mjs";
import { PART, contentOf, noise, useStack } from "./support.mjs";

const APP = "https://app.test";
const UUID = "0b7e1f8e-58a1-4b1e-9d3c-5a9e27f0c1aa";

const stack = useStack({ vars: { ALLOWED_ORIGINS: APP, MAX_FILE_SIZE: `${PART + 100}` } });

async function sign(client, request, headers) {
  const signed = await client.ask("POST", "/v1/s3/sign", { body: request, headers });
  return { ...signed, method: request.method, url: new URL(signed.url, `${client.url}/v1/s3/sign`).href };
}

const send = ({ method, url, headers }, body, type) =>
  fetch(url, { method, body, headers: { ...(type && { "content-type": type }), ...headers } });

async function text(response, status = 200) {
  const body = await response.text();
  assert.equal(response.status, status, body);
  return body;
}

const inner = (xml, name) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];

async function create(client, key, type = "video/mp4") {
  const signed = await sign(client, { method: "POST", key });
  const xml = await text(await send(signed, undefined, type));
  assert.equal(inner(xml, "Key"), signed.key);
  return { key: signed.key, uploadId: inner(xml, "UploadId"), signed };
}

async function part(client, { key, uploadId }, partNumber, bytes) {
  const signed = await sign(client, { method: "PUT", key, uploadId, partNumber });
  assert.ok(signed.url.startsWith(stack.s3.endpoint));
  assert.equal(signed.headers, undefined);
  const response = await send(signed, bytes);
  await text(response);
  return { partNumber, etag: response.headers.get("etag").replaceAll('"', "") };
}

async function complete(client, { key, uploadId }, parts) {
  const listed = parts.map(
    ({ partNumber, etag }) => `<Part><PartNumber>${partNumber}</PartNumber><ETag>${etag}</ETag></Part>`,
  );
  const body = `<CompleteMultipartUpload>${listed.join("")}</CompleteMultipartUpload>`;
  const signed = await sign(client, { method: "POST", key, uploadId });
  return { signed, body, response: await send(signed, body, "application/xml") };
}

/** An error as Uppy reads it. */
async function assertError(response, status, code) {
  assert.equal(response.headers.get("content-type"), "application/xml");
  const xml = await text(response, status);
  assert.equal(inner(xml, "Code"), code, xml);
  assert.equal(inner(xml, "RequestId"), response.headers.get("x-request-id"));
}

describe("a file in parts", () => {
  test("goes the whole way, each call repeated as after a lost reply", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 7);
    const upload = await create(client, `raw/2026/${UUID}-my film+1.mp4`);
    const again = await text(await send(upload.signed, undefined, "video/mp4"));
    assert.equal(inner(again, "UploadId"), upload.uploadId);
    const begun = (await filesOf(client))["my film+1.mp4"];
    assert.deepEqual([begun.path, begun.contentType, begun.status], ["raw/2026", "video/mp4", "uploading"]);
    assert.equal(Object.keys(await filesOf(client)).length, 1, "one upload");

    const parts = [
      await part(client, upload, 1, bytes.subarray(0, PART)),
      await part(client, upload, 2, bytes.subarray(PART)),
    ];
    const { key, uploadId } = upload;
    const listed = await text(await send(await sign(client, { method: "GET", key, uploadId })));
    assert.equal(inner(listed, "IsTruncated"), "false");
    assert.deepEqual(
      [...listed.matchAll(/<ETag>([^<]*)<\/ETag>/g)].map(([, etag]) => etag.replaceAll('"', "")),
      parts.map(({ etag }) => etag),
    );

    const { signed, body, response } = await complete(client, upload, parts);
    assert.equal(response.headers.get("content-type"), "application/xml");
    const xml = await text(response);
    assert.equal(inner(xml, "Key"), key);
    assert.equal(inner(xml, "Location"), `${stack.s3.endpoint}/${stack.s3.bucket}/${key}`);
    assert.equal(await text(await send(signed, body, "application/xml")), xml);
    const file = await becomes(client, "my film+1.mp4", "available");
    assert.ok((await contentOf(client, file)).equals(bytes));
    await assertError(
      await send(await sign(client, { method: "DELETE", key, uploadId })),
      404,
      "NoSuchUpload",
    );
  });

  test("is aborted, and what comes later hears of no such upload", async () => {
    const client = await stack.guest();
    const upload = await create(client, "f.bin");
    const { key, uploadId } = upload;
    const parts = [await part(client, upload, 1, noise(1))];
    const abort = await sign(client, { method: "DELETE", key, uploadId });
    await text(await send(abort), 204);
    await text(await send(abort), 204);
    await assertError((await complete(client, upload, parts)).response, 404, "NoSuchUpload");
    await assertError(await send(await sign(client, { method: "GET", key, uploadId })), 404, "NoSuchUpload");
    await assertError(await send(upload.signed, undefined, "video/mp4"), 404, "NoSuchUpload");
    await becomes(client, "f.bin", "aborted");
  });

  test("that is wrong is told so in S3's codes", async () => {
    const client = await stack.guest();
    const upload = await create(client, "f.bin");
    const first = await part(client, upload, 1, noise(PART));
    const errors = [
      [[{ partNumber: 2, etag: "x" }], 400, "InvalidPart"],
      [[{ ...first, etag: "x" }], 400, "InvalidPart"],
      [[], 400, "InvalidRequest"],
      [[first, first], 400, "InvalidRequest"],
      [[{ ...first, partNumber: 0 }], 400, "InvalidRequest"],
      [[{ ...first, etag: "</ETag>" }], 400, "InvalidRequest"],
    ];
    for (const [parts, status, code] of errors) {
      await assertError((await complete(client, upload, parts)).response, status, code);
    }
    const second = await part(client, upload, 2, noise(101));
    await assertError((await complete(client, upload, [first, second])).response, 413, "EntityTooLarge");
    await becomes(client, "f.bin", "aborted");

    const small = await create(client, "small.bin");
    const parts = [await part(client, small, 1, noise(1)), await part(client, small, 2, noise(1))];
    await assertError((await complete(client, small, parts)).response, 400, "EntityTooSmall");
    assert.equal((await filesOf(client))["small.bin"].status, "uploading");
  });
});

describe("a permission", () => {
  test("is for one call by one method", async () => {
    const client = await stack.guest();
    const upload = await create(client, "f.bin");
    const { key, uploadId } = upload;
    const list = await sign(client, { method: "GET", key, uploadId });
    for (const method of ["POST", "DELETE", "PUT"]) {
      await assertError(
        await send({ ...list, method }, method === "DELETE" ? undefined : "x"),
        405,
        "InvalidRequest",
      );
    }
    const url = list.url.replace(/.$/, (last) => (last === "A" ? "B" : "A"));
    for (const forged of [
      url,
      `${list.url}x`,
      `${client.url}/v1/s3/calls/x`,
      list.url.replace("c1.", "t1."),
    ]) {
      await assertError(await send({ method: "GET", url: forged }), 403, "AccessDenied");
    }
    await assertError(
      await send({ method: "GET", url: `${client.url}/v1/s3/calls/${uploadId}` }),
      403,
      "AccessDenied",
    );
  });

  test("is given to whom the upload belongs", async () => {
    const client = await stack.guest();
    const { key, uploadId } = await create(client, "f.bin");
    const stranger = await stack.guest();
    const neighbour = await stack.guest(client.workspace);
    const body = { method: "GET", key, uploadId };
    await stranger.refused("not_found", "POST", "/v1/s3/sign", { body });
    await neighbour.refused("forbidden", "POST", "/v1/s3/sign", { body });
    for (const wrong of [
      { ...body, key: `${key}x` },
      { ...body, uploadId: `${uploadId}x` },
      { ...body, method: "PUT" },
      { ...body, partNumber: 1 },
      { method: "GET", key },
      { method: "DELETE", key },
      { method: "POST", key: "a/" },
      { method: "PUT", key: "" },
      { method: "PUT", key, partNumber: 1 },
      { method: "PUT", key, uploadId, partNumber: 10_001 },
      { method: "PATCH", key },
      { method: "PUT" },
    ]) {
      await client.refused("invalid_request", "POST", "/v1/s3/sign", { body: wrong });
    }
    const reader = await stack.guest(client.workspace, "files:read");
    await reader.refused("forbidden", "POST", "/v1/s3/sign", { body });
    const sized = await client.open(noise(PART + 1), { partSize: PART });
    await client.refused("invalid_request", "POST", "/v1/s3/sign", {
      body: { ...body, uploadId: sized.ticket },
    });
  });

  test("can be used by pages of allowed origins", async () => {
    const client = await stack.guest();
    const { url } = await sign(client, { method: "POST", key: "f.bin" });
    const preflight = await fetch(url, {
      method: "OPTIONS",
      headers: {
        origin: APP,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
      },
    });
    assert.equal(preflight.headers.get("access-control-allow-origin"), APP);
    assert.match(preflight.headers.get("access-control-allow-headers"), /content-type/);
    assert.equal(preflight.headers.get("access-control-allow-credentials"), null);
    const created = await fetch(url, { method: "POST", headers: { origin: APP } });
    assert.equal(created.headers.get("access-control-allow-origin"), APP);
  });
});

describe("a file in one request", () => {
  test("is available without anybody saying so, once for each idempotency key", async () => {
    const client = await stack.guest();
    const bytes = noise(1000);
    const request = { method: "PUT", key: `${UUID}-note.txt`, contentType: "text/plain", expiresIn: 900 };
    const key = { "idempotency-key": "k1" };
    const signed = await sign(client, request, key);
    assert.deepEqual(signed.headers, { "content-type": "text/plain" });
    assert.equal((await sign(client, request, key)).key, signed.key);
    await text(await send(signed, bytes));
    const file = await becomes(client, "note.txt", "available");
    assert.ok((await contentOf(client, file)).equals(bytes));
    assert.equal(Object.keys(await filesOf(client)).length, 1);
    assert.notEqual((await sign(client, request)).key, signed.key, "nothing is overwritten");
    const other = { ...request, contentType: "a/b" };
    await client.refused("conflict", "POST", "/v1/s3/sign", { body: other, headers: key });
  });

  test("is removed where it turns out too large", async () => {
    const client = await stack.guest();
    const signed = await sign(client, { method: "PUT", key: "large.bin" });
    await text(await send(signed, noise(PART + 101)));
    const file = await becomes(client, "large.bin", "aborted");
    assert.equal((await client.send("GET", `/v1/files/${file.fileId}/content`)).status, 410);
  });
});
