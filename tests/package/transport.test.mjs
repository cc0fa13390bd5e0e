// How requests get to the coordinator: headers, cookies, and a `fetch` of the page's own.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import test from "node:test";
import { fileURLToPath } from "node:url";

import { Workspace } from "../../uploader-wasm/npm/dist/files.js";
import { Uploader } from "../../uploader-wasm/npm/dist/index.js";
import { uppyCallbacks } from "../../uploader-wasm/npm/dist/uppy.js";
import { build } from "esbuild";
import { FakeWorkers } from "./fake-workers.mjs";

const { CoordinatorCalls, PageFetch } = await conductorParts();

const endpoint = "https://files.example.com";
const token = "a.b.c";
const HEADERS = { "X-Proxy-Key": "k", Authorization: "mine" };

test("the page's headers go with every request to the coordinator, and do not replace the uploader's", async (t) => {
  const requests = [];
  const server = createServer(({ headers, url }, reply) => {
    requests.push([url, headers["x-proxy-key"], headers.authorization]);
    reply.end('{"files":[]}');
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = `http://127.0.0.1:${server.address().port}`;

  await new Workspace({ endpoint: address, token, headers: HEADERS }).files();
  await uppyCallbacks({ endpoint: address, token, headers: [["x-proxy-key", "u"]] }).abortMultipartUpload(
    {},
    { uploadId: "7" },
  );
  const tokens = { get: async () => token };
  const calls = new CoordinatorCalls(address, tokens, { headers: { "x-proxy-key": "w" } });
  assert.deepEqual(await calls.request({ method: "GET", path: "/v1/x" }), {
    status: 200,
    body: '{"files":[]}',
  });
  assert.deepEqual(requests, [
    ["/v1/files", "k", `Bearer ${token}`],
    ["/v1/uploads/7", "u", `Bearer ${token}`],
    ["/v1/x", "w", `Bearer ${token}`],
  ]);
});

test("the conductor is told of headers and cookies in a form that can be posted", async (t) => {
  const workers = new FakeWorkers(t);
  const fetch = async () => new Response("{}");
  const options = { endpoint, token, headers: new Headers(HEADERS), credentials: "include", fetch };
  const uploader = new Uploader({ ...options, ...workers.options });
  uploader.upload(new Blob(["a"]));
  await workers.messages("add", 1);
  const { headers, credentials, ownFetch } = workers.start.options;
  assert.deepEqual(headers, { "x-proxy-key": "k", authorization: "mine" });
  assert.deepEqual([credentials, ownFetch], ["include", true]);
  await uploader.close();
});

test("a `fetch` of the page's sends what the conductor asks for, and its failure is the network's", async (t) => {
  const workers = new FakeWorkers(t);
  const seen = [];
  const fetch = async (url, init) => {
    seen.push([url, init.method, init.headers.authorization, init.credentials, init.cache]);
    if (url.endsWith("/down")) throw new Error("no network");
    if (url.endsWith("/slow"))
      await new Promise((_, reject) => (init.signal.onabort = () => reject(init.signal.reason)));
    return { status: 201, text: async () => "made" };
  };
  const uploader = new Uploader({ endpoint, token, fetch, ...workers.options });
  uploader.upload(new Blob(["a"]));
  await workers.messages("add", 1);
  // The conductor's side as its worker runs it, on the same messages.
  const pageFetch = new PageFetch((message) => workers.say(message));
  workers.onMessage = (message) => message.type === "fetched" && pageFetch.settle(message.id, message.reply);
  const transport = { credentials: "include", fetch: pageFetch.fetch };
  const calls = new CoordinatorCalls(endpoint, { get: async () => token }, transport);
  const ask = (path) => calls.request({ method: "POST", path, body: "{}" });
  assert.deepEqual(await ask("/v1/uploads"), { status: 201, body: "made" });
  assert.equal(await ask("/down"), "network");
  const slow = ask("/slow");
  while (seen.length < 3) await new Promise((resolve) => setImmediate(resolve));
  await uploader.close();
  assert.deepEqual(seen, [
    [`${endpoint}/v1/uploads`, "POST", `Bearer ${token}`, "include", "no-store"],
    [`${endpoint}/down`, "POST", `Bearer ${token}`, "include", "no-store"],
    [`${endpoint}/slow`, "POST", `Bearer ${token}`, "include", "no-store"],
  ]);
  pageFetch.settle(3, undefined); // as if the worker were still there
  assert.equal(await slow, "network");
});

test("a `fetch` of the page's is left once nobody waits for it", async () => {
  const said = [];
  const pageFetch = new PageFetch((message) => said.push(message));
  const abort = new AbortController();
  const asked = pageFetch.fetch(`${endpoint}/x`, { method: "GET", headers: {}, signal: abort.signal });
  abort.abort();
  await assert.rejects(asked, TypeError);
  assert.deepEqual(
    said.map(({ type, id }) => [type, id]),
    [
      ["fetch", 1],
      ["cancelFetch", 1],
    ],
  );
});

test("options that cannot be used are refused by name", () => {
  for (const [options, text] of [
    [{ credentials: "yes" }, /credentials/],
    [{ fetch: "fetch" }, /fetch/],
    [{ headers: { "no header": "x" } }, /header/i],
  ]) {
    for (const Class of [Uploader, Workspace]) {
      assert.throws(
        () => new Class({ endpoint, token, ...options }),
        (error) => error instanceof TypeError && text.test(error.message),
      );
    }
  }
});

/** The conductor's side, as its worker has it. */
async function conductorParts() {
  const { outputFiles } = await build({
    stdin: {
      contents: `export * from "./coordinator-calls.js"; export * from "./page-fetch.js";`,
      resolveDir: fileURLToPath(new URL("../../uploader-wasm/npm/src/worker", import.meta.url)),
    },
    bundle: true,
    format: "esm",
    write: false,
  });
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
}
