// Browsers that cannot upload, and servers that give a page in place of the package's files.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import test from "node:test";

import { UploadError, Uploader } from "../../uploader-wasm/npm/dist/index.js";
import { FakeWorkers } from "./fake-workers.mjs";

const endpoint = "https://files.example.com";
const token = "a.b.c";

test("a browser without WebAssembly is told so when an uploader is made, and a server never", (t) => {
  const { WebAssembly } = globalThis;
  t.after(() => {
    Object.assign(globalThis, { WebAssembly });
    delete globalThis.document;
    delete globalThis.Worker;
  });
  globalThis.Worker = class {};
  assert.equal(Uploader.isSupported(), true);
  delete globalThis.WebAssembly;
  assert.equal(Uploader.isSupported(), false);
  new Uploader({ endpoint, token });
  globalThis.document = { baseURI: "https://page.example.com/" };
  assert.throws(
    () => new Uploader({ endpoint, token }),
    (error) => error instanceof UploadError && error.code === "unsupported" && !error.retryable,
  );
});

test("a page in place of the .wasm file is named, without its query", async (t) => {
  const address = await startSite(t);
  for (const [wasmUrl, answer] of [
    [`${address}/uploader.wasm?key=secret`, "HTTP 200, text/html"],
    [`${address}/missing/uploader.wasm`, "HTTP 404, text/plain"],
  ]) {
    const { createWorker } = new FakeWorkers(t).options;
    const lines = [];
    const logger = { debug() {}, warn: (line) => lines.push(line) };
    const uploader = new Uploader({ endpoint, token, createWorker, wasmUrl, workers: 1, logger });
    const [place] = wasmUrl.split("?");
    const message = `the .wasm file is not at ${place}: the answer was ${answer}`;
    const { done } = uploader.upload(new Blob(["a"]));
    await assert.rejects(done, { code: "worker_failed", message, retryable: true });
    assert.equal(lines[0], message);
    await uploader.close();
  }
});

test("a page in place of worker.js is named, and a script that fails is not blamed for that", async (t) => {
  const address = await startSite(t);
  globalThis.Worker = class {
    constructor() {
      // As browsers do where a script cannot be loaded.
      setImmediate(() => this.onerror(new Event("error", { cancelable: true })));
    }
    postMessage() {}
    terminate() {}
  };
  globalThis.location = new URL(address);
  t.after(() => {
    delete globalThis.Worker;
    delete globalThis.location;
  });
  const wasmModule = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
  for (const [path, message] of [
    ["/worker.js", `worker.js is not at ${address}/worker.js: the answer was HTTP 200, text/html`],
    ["/real.js", "the upload workers failed"],
  ]) {
    const uploader = new Uploader({ endpoint, token, wasmModule, workerUrl: address + path, workers: 1 });
    await assert.rejects(uploader.upload(new Blob(["a"])).done, { code: "worker_failed", message });
    await uploader.close();
  }
});

/** A site that gives its page for every address that it does not know, as many do. */
async function startSite(t) {
  const site = createServer(({ url }, reply) => {
    if (url.startsWith("/missing/")) reply.writeHead(404, { "content-type": "text/plain" }).end("no");
    else if (url === "/real.js") reply.writeHead(200, { "content-type": "text/javascript" }).end("");
    else reply.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>");
  }).listen(0, "127.0.0.1");
  await once(site, "listening");
  t.after(() => {
    site.close();
    site.closeAllConnections();
  });
  return `http://127.0.0.1:${site.address().port}`;
}
