// A client of Companion's S3 endpoints, as Uppy's plugins speak to them.

import assert from "node:assert/strict";

import { eventually } from "./support.mjs";

export class Companion {
  /** `endpoint` is what Uppy calls `companionEndpoint`; `headers` go with every request. */
  constructor(endpoint, headers = {}) {
    Object.assign(this, { endpoint, headers });
  }

  /** With a token in the address, as a page gets it with its own. */
  static async of(client) {
    const { path } = await client.ask("POST", "/v1/companion/token", { body: {} });
    return new Companion(client.url + path);
  }

  async send(method, path, body) {
    return fetch(`${this.endpoint}/s3${path}`, {
      method,
      headers: { ...this.headers, ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
  }

  async ask(method, path, body) {
    const response = await this.send(method, path, body);
    const json = await response.json();
    assert.equal(response.status, 200, JSON.stringify(json));
    return json;
  }

  /** A request that must be refused so; gives what the client is told. */
  async refused(status, code, method, path, body) {
    const response = await this.send(method, path, body);
    const told = await response.json();
    assert.equal(response.headers.get("content-type"), "application/json");
    assert.deepEqual([response.status, told.code], [status, code], JSON.stringify(told));
    assert.ok(told.message && told.requestId);
    return told;
  }

  create(filename = "film.bin", more = {}) {
    return this.ask("POST", "/multipart", { filename, type: "video/mp4", metadata: {}, ...more });
  }

  path({ uploadId, key }, more = "") {
    return `/multipart/${encodeURIComponent(uploadId)}${more}?key=${encodeURIComponent(key)}`;
  }

  /** Sends a part as Uppy does, without a header, and gives it as Uppy completes it. */
  async part(upload, number, bytes) {
    const { url } = await this.ask("GET", this.path(upload, `/${number}`));
    const response = await fetch(url, { method: "PUT", body: bytes });
    assert.equal(response.status, 200, await response.text());
    return { PartNumber: number, ETag: response.headers.get("etag").replaceAll('"', "") };
  }

  list(upload) {
    return this.ask("GET", this.path(upload));
  }

  complete(upload, parts) {
    return this.ask("POST", this.path(upload, "/complete"), { parts });
  }
}

/** The workspace's files by name, whatever became of them. */
export async function filesOf(client) {
  const all = "uploading,available,aborted,expired,deleted";
  const { files } = await client.ask("GET", `/v1/files?status=${all}`);
  return Object.fromEntries(files.map((file) => [file.name, file]));
}

/** Waits until the file of this name stands so. */
export function becomes(client, name, status) {
  return eventually(async () => {
    const file = (await filesOf(client))[name];
    return file?.status === status && file;
  }, `${name} is ${status}`);
}
