// Lanes alone: the built worker reads, checksums and sends slices in a real browser, and the test is its conductor.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import test, { after, afterEach, before, beforeEach } from "node:test";
import { Crc64NvmeJs } from "@aws-sdk/checksums/crc";
import { launchChromium } from "../../stack/chromium.mjs";
import { PATIENCE, until } from "./harness.mjs";

const MIB = 1024 * 1024;

// Source: uploader-wasm/npm/src/worker/reading.ts, `CHUNK_SIZE`.
const CHUNK_SIZE = MIB;

const DIST = new URL("../../uploader-wasm/npm/dist/", import.meta.url);

let server, browser, page;
/** What the server has been asked for: `{method, headers, body, aborted}`. */
let requests;

before(async () => {
  server = createServer(answer).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
});

beforeEach(async () => {
  requests = [];
  const context = await browser.newContext();
  page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.evaluate(equip);
});

afterEach(() => page.context().close());

/** Ways of browsers to read a file, the faults among them as scripts that run in the worker before the lane. */
const WAYS = {
  "by a stream alone": `
    Blob.prototype.arrayBuffer = async () => {
      throw new DOMException("not by pieces", "NotReadableError");
    };`,
  "where streams of files have no such reader": `
    const { getReader } = ReadableStream.prototype;
    ReadableStream.prototype.getReader = function (options) {
      if (options) throw new TypeError("mode is not known");
      return getReader.call(this);
    };`,
  "where files have no streams": `
    delete Blob.prototype.stream;`,
  "where a stream breaks in the middle of a piece": `
    Blob.prototype.stream = function () {
      let given = 0;
      const pull = async (controller) => {
        if (given > 0) throw new DOMException("the stream broke", "NotReadableError");
        given = 100_001;
        controller.byobRequest.view.set(new Uint8Array(await this.slice(0, given).arrayBuffer()));
        controller.byobRequest.respond(given);
      };
      return new ReadableStream({ type: "bytes", pull });
    };`,
};

for (const [way, script] of Object.entries(WAYS)) {
  test(`a slice has the checksum of its own bytes, ${way}`, async () => {
    // What fits into one piece is never read by a stream.
    const short = way === "by a stream alone" ? [] : [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE];
    const slices = [...short, CHUNK_SIZE + 1, 3 * CHUNK_SIZE + 7].map((length) => [3, length]);
    const found = await page.evaluate(
      async ([script, slices]) => {
        const lane = await openLane({ script });
        const file = noise(4 * 1024 * 1024);
        slices.forEach(([offset, length], attempt) =>
          lane.say({ type: "hash", attempt: BigInt(attempt), file, offset, length }),
        );
        const answers = await Promise.all(slices.map((_, attempt) => lane.answer(attempt)));
        return answers.map(({ type, crc64nvme }) => `${type} ${crc64nvme.toString(16).padStart(16, "0")}`);
      },
      [script, slices],
    );
    const bytes = noise(4 * MIB);
    const expected = slices.map(([offset, length]) => crc64nvme(bytes.subarray(offset, offset + length)));
    assert.deepEqual(found, await Promise.all(expected));
  });
}

test("where streams are read at once, whoever waits for them, none is long", async () => {
  const found = await page.evaluate(async (script) => {
    const lane = await openLane({
      script: `${script}
        globalThis.streams = [];
        const { stream } = Blob.prototype;
        Blob.prototype.stream = function () {
          streams.push(this.size);
          return stream.call(this);
        };`,
    });
    const file = noise(11 * 1024 * 1024);
    lane.say({ type: "hash", attempt: 1n, file, offset: 3, length: file.size - 3 });
    const { type, crc64nvme } = await lane.answer(1);
    return `${type} ${crc64nvme.toString(16).padStart(16, "0")}`;
  }, WAYS["where streams of files have no such reader"]);
  assert.equal(found, await crc64nvme(noise(11 * MIB).subarray(3)));
  const [lane] = page.workers();
  const streams = await lane.evaluate(() => globalThis.streams);
  assert.ok(streams.length >= 3 && Math.max(...streams) <= 4 * MIB, `${streams}`);
});

test("one buffer serves all that a lane reads by streams", async () => {
  await page.evaluate(async () => {
    const lane = await openLane({
      script: `
        globalThis.made = [];
        const Plain = ArrayBuffer;
        globalThis.ArrayBuffer = function (length) {
          made.push(length);
          return new Plain(length);
        };
        // So that the lane has work before it has warmed up, and what it reads for that is not read on.
        const { read } = ReadableStreamBYOBReader.prototype;
        let isFirst = true;
        ReadableStreamBYOBReader.prototype.read = async function (view) {
          if (isFirst) await new Promise((resolve) => setTimeout(resolve, 500));
          isFirst = false;
          return read.call(this, view);
        };`,
    });
    const file = noise(9 * 1024 * 1024);
    for (const attempt of [1n, 2n, 3n])
      lane.say({ type: "hash", attempt, file, offset: 0, length: file.size });
    await lane.answer(3);
  });
  const [lane] = page.workers();
  assert.deepEqual(await lane.evaluate(() => globalThis.made), [CHUNK_SIZE]);
});

test("what is no longer wanted is not read on, and nothing is said of it", async () => {
  await page.evaluate(async () => {
    globalThis.lane = await openLane({
      script: `
        globalThis.reads = 0;
        const held = new Promise((resolve) => (globalThis.release = resolve));
        const { read } = ReadableStreamBYOBReader.prototype;
        ReadableStreamBYOBReader.prototype.read = async function (view) {
          if (++reads === 1) postMessage("reading");
          await held;
          return read.call(this, view);
        };`,
    });
    const large = noise(4 * 1024 * 1024);
    const hash = { type: "hash", offset: 0 };
    lane.say({ ...hash, attempt: 1n, file: large, length: large.size });
    lane.say({ ...hash, attempt: 2n, file: large, length: large.size });
    lane.say({ ...hash, attempt: 3n, file: large, length: 10 });
    await lane.tells("reading");
    for (const attempt of [2n, 1n]) lane.say({ type: "cancel", attempt });
    // Orders are taken in turn: once this one is answered, the two before it have been taken.
    const request = { method: "PUT", url: "http://[no address/", headers: [], fields: [] };
    lane.say({ type: "send", attempt: 4n, file: large, offset: 0, length: 10, ...request });
    await lane.answer(4);
  });
  const [worker] = page.workers();
  await worker.evaluate(() => globalThis.release());
  const said = await page.evaluate(async () => {
    await lane.answer(3);
    return lane.said.map(({ type, attempt }) => [type, attempt]);
  });
  assert.deepEqual(said, [
    ["attemptFailed", 4n],
    ["hashed", 3n],
  ]);
  assert.equal(await worker.evaluate(() => globalThis.reads), 1);
});

/** Large files never answer, and waits are a hundredth as long. What lanes warm up with has 4 MiB. */
const HUNG = `
  const { stream } = Blob.prototype;
  Blob.prototype.stream = function () {
    if (this.size === 4 * 1024 * 1024) return stream.call(this);
    return new ReadableStream({ type: "bytes", pull: () => new Promise(() => {}) });
  };`;
const HASTY = `
  const wait = setInterval;
  globalThis.setInterval = (call, ms) => wait(call, ms / 100);`;

test("a file that never answers keeps its lane from no other, and is told as one that cannot be read", async () => {
  const said = await page.evaluate(async (script) => {
    const lane = await openLane({ script });
    const large = noise(3 * 1024 * 1024);
    for (const attempt of [1n, 2n])
      lane.say({ type: "hash", attempt, file: large, offset: 0, length: large.size });
    lane.say({ type: "hash", attempt: 3n, file: noise(10), offset: 0, length: 10 });
    await Promise.all([1, 2, 3].map((attempt) => lane.answer(attempt)));
    return lane.said.map(({ attempt, type, failure, error }) => [attempt, type, failure, error]);
  }, HUNG + HASTY);
  const unreadable = ["attemptFailed", "file_unreadable", "TimeoutError"];
  assert.deepEqual(said, [
    [3n, "hashed", undefined, undefined],
    [1n, ...unreadable],
    [2n, ...unreadable],
  ]);
});

test("a reading that hangs is over at once for its lane where it is cancelled", async () => {
  const said = await page.evaluate(async (script) => {
    const lane = await openLane({ script });
    const large = noise(3 * 1024 * 1024);
    lane.say({ type: "hash", attempt: 1n, file: large, offset: 0, length: large.size });
    lane.say({ type: "hash", attempt: 2n, file: noise(10), offset: 0, length: 10 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = lane.said.length;
    lane.say({ type: "cancel", attempt: 1n });
    const late = new Promise((resolve) => setTimeout(resolve, 5000, "late"));
    return [before, await Promise.race([late, lane.answer(2).then(({ type }) => type)])];
  }, HUNG);
  assert.deepEqual(said, [0, "hashed"]);
});

test("a file that never answers while it is copied is told as one that cannot be read", async () => {
  const said = await page.evaluate(async (script) => {
    const lane = await openLane({ bodies: "memory", script });
    const request = { method: "PUT", url: `${location.origin}/take`, headers: [], fields: [] };
    lane.say({ type: "send", attempt: 1n, file: noise(10), offset: 0, length: 10, ...request });
    return (await lane.answer(1)).failure;
  }, `${HASTY} Blob.prototype.arrayBuffer = () => new Promise(() => {});`);
  assert.equal(said, "file_unreadable");
});

test("a file that is shorter than it was, and one that is gone, are told by name", async () => {
  const said = await page.evaluate(async () => {
    const lane = await openLane();
    lane.say({ type: "hash", attempt: 1n, file: noise(10), offset: 5, length: 6 });
    const folder = await navigator.storage.getDirectory();
    const handle = await folder.getFileHandle("gone", { create: true });
    const out = await handle.createWritable();
    await out.write(noise(3 * 1024 * 1024));
    await out.close();
    const file = await handle.getFile();
    await folder.removeEntry("gone");
    lane.say({ type: "hash", attempt: 2n, file, offset: 0, length: file.size });
    const request = { method: "PUT", url: "http://127.0.0.1:9/", headers: [], fields: [] };
    lane.say({ type: "send", attempt: 3n, file, offset: 0, length: file.size, ...request });
    await Promise.all([1, 2, 3].map((attempt) => lane.answer(attempt)));
    return lane.said.map(({ attempt, failure, status }) => [attempt, failure, status]).sort();
  });
  assert.deepEqual(said, [
    [1n, "file_changed", 0],
    [2n, "file_unreadable", 0],
    [3n, "file_unreadable", 0],
  ]);
});

test("a fault of the lane's own ends its worker, and is not told as one of the file", async () => {
  const error = await page.evaluate(async () => {
    const lane = await openLane({
      script: `Blob.prototype.arrayBuffer = () => Promise.reject(new RangeError("no room"));`,
    });
    lane.say({ type: "hash", attempt: 1n, file: noise(10), offset: 0, length: 10 });
    return await lane.failed;
  });
  assert.match(error, /no room/);
});

for (const bodies of ["file", "memory"]) {
  test(`the bytes of a slice are sent as signed, from ${bodies}`, async () => {
    const { said, sha256 } = await page.evaluate(async (bodies) => {
      const lane = await openLane({ bodies });
      const file = noise(4 * 1024 * 1024);
      const order = { type: "send", attempt: 1n, file, offset: 3, length: 2 * 1024 * 1024 + 2 };
      const headers = ["x-amz-checksum-crc64nvme", "AAAAAAAAAAA=", "x-second", "2"];
      lane.say({ ...order, method: "PUT", url: `${location.origin}/take`, headers, fields: [] });
      await lane.answer(1);
      return { said: lane.said, sha256: await sha256(file.slice(3, 3 + order.length)) };
    }, bodies);
    const { type, attempt, protocol } = said.at(-1);
    assert.deepEqual({ type, attempt, protocol }, { type: "stored", attempt: 1n, protocol: "http/1.1" });
    const [{ method, headers, body }] = requests;
    assert.equal(method, "PUT");
    assert.equal(headers["content-type"], undefined, "nothing that the URL does not sign");
    assert.equal(headers["x-amz-checksum-crc64nvme"], "AAAAAAAAAAA=");
    assert.equal(headers["x-second"], "2");
    assert.equal(createHash("sha256").update(body).digest("hex"), sha256);
  });
}

for (const [way, script] of Object.entries(WAYS)) {
  test(`a copy of a slice has the slice's bytes, ${way}`, async () => {
    const expected = await page.evaluate(async (script) => {
      const lane = await openLane({ bodies: "memory", script });
      const file = noise(4 * 1024 * 1024);
      const order = { type: "send", attempt: 1n, file, offset: 3, length: 3 * 1024 * 1024 + 7 };
      lane.say({ ...order, method: "PUT", url: `${location.origin}/take`, headers: [], fields: [] });
      await lane.answer(1);
      return await sha256(file.slice(order.offset, order.offset + order.length));
    }, script);
    assert.equal(createHash("sha256").update(requests[0].body).digest("hex"), expected);
  });
}

test("progress counts the slice's own bytes, without those of the form around it", async () => {
  const length = 32 * MIB;
  const said = await page.evaluate(async (length) => {
    const lane = await openLane();
    const order = { type: "send", file: new Blob([new Uint8Array(length)]), offset: 0, length };
    const fields = ["key", "a".repeat(100_000), "policy", "b"];
    lane.say({ ...order, attempt: 1n, method: "POST", url: `${location.origin}/slow`, headers: [], fields });
    await lane.answer(1);
    return lane.said;
  }, length);
  assert.equal(said.at(-1).type, "stored");
  const loaded = said.filter(({ type }) => type === "sent").map((message) => message.loaded);
  assert.ok(loaded.length >= 2, `${loaded.length} reports`);
  assert.deepEqual(
    loaded,
    loaded.toSorted((a, b) => a - b),
  );
  assert.ok(
    loaded.every((bytes) => bytes >= 0 && bytes <= length),
    `${loaded}`,
  );
  const [{ headers, body }] = requests;
  assert.match(headers["content-type"], /^multipart\/form-data; boundary=/);
  const names = [...body.toString("latin1").matchAll(/form-data; name="(\w+)"/g)].map(([, name]) => name);
  assert.deepEqual(names, ["key", "policy", "file"], "the slice comes last");
});

test("what storage and the network answer is told in the engine's words", async () => {
  const said = await page.evaluate(async () => {
    const lane = await openLane();
    const urls = [
      `${location.origin}/refuse`,
      "http://127.0.0.1:9/",
      "http://[no address/",
      `${location.origin}/break`,
    ];
    const order = {
      type: "send",
      file: noise(10),
      offset: 0,
      length: 10,
      method: "PUT",
      headers: [],
      fields: [],
    };
    urls.forEach((url, attempt) => lane.say({ ...order, attempt: BigInt(attempt), url }));
    await Promise.all(urls.map((_, attempt) => lane.answer(attempt)));
    return lane.said.filter(({ type }) => type !== "sent").sort((a, b) => Number(a.attempt - b.attempt));
  });
  const network = { type: "attemptFailed", failure: "network", status: 0, body: "", retryAfter: undefined };
  const body = "<Error><Code>SlowDown</Code>".padEnd(4096, ".");
  assert.deepEqual(said, [
    { type: "attemptFailed", attempt: 0n, failure: "refused", status: 503, body, retryAfter: 7 },
    { ...network, attempt: 1n },
    { ...network, attempt: 2n },
    { ...network, attempt: 3n },
  ]);
});

test("a request that is cancelled ends at once, and nothing is said of it", async () => {
  await page.evaluate(async () => {
    globalThis.lane = await openLane();
    const file = new Blob([new Uint8Array(64 * 1024 * 1024)]);
    const request = { method: "PUT", url: `${location.origin}/hold`, headers: [], fields: [] };
    lane.say({ type: "send", attempt: 1n, file, offset: 0, length: file.size, ...request });
  });
  await until(() => requests.length === 1, "the request has come");
  const said = await page.evaluate(async () => {
    lane.say({ type: "cancel", attempt: 1n });
    lane.say({ type: "hash", attempt: 2n, file: noise(10), offset: 0, length: 10 });
    await lane.answer(2);
    return lane.said.filter(({ type }) => type !== "sent").map(({ type, attempt }) => [type, attempt]);
  });
  assert.deepEqual(said, [["hashed", 2n]]);
  await until(() => requests[0].aborted, "the request has ended");
});

test("what is cancelled while it is being copied is never sent", async () => {
  await page.evaluate(async () => {
    globalThis.lane = await openLane({
      bodies: "memory",
      script: `
        const held = new Promise((resolve) => (globalThis.release = resolve));
        const { arrayBuffer } = Blob.prototype;
        Blob.prototype.arrayBuffer = async function () {
          if (this.size > 0) {
            postMessage("copying");
            await held;
          }
          return arrayBuffer.call(this);
        };`,
    });
    globalThis.send = (attempt, file, url) =>
      lane.say({
        type: "send",
        attempt,
        file,
        offset: 0,
        length: file.size,
        method: "PUT",
        url,
        headers: [],
        fields: [],
      });
    send(1n, noise(10), `${location.origin}/take`);
    await lane.tells("copying");
    lane.say({ type: "cancel", attempt: 1n });
    send(2n, noise(0), "http://[no address/");
    await lane.answer(2);
  });
  await page.workers()[0].evaluate(() => globalThis.release());
  const said = await page.evaluate(async () => {
    send(3n, noise(11), `${location.origin}/take`);
    await lane.answer(3);
    return lane.said.filter(({ type }) => type !== "sent").map(({ type, attempt }) => [type, attempt]);
  });
  assert.deepEqual(said, [
    ["attemptFailed", 2n],
    ["stored", 3n],
  ]);
  assert.deepEqual(
    requests.map(({ body }) => body.length),
    [11],
  );
});

/** Runs in the page: lanes as the page makes them, with a port to each. */
function equip() {
  globalThis.noise = (length) => {
    // As in `noise` of the test.
    const bytes = new Uint8Array(length);
    for (let i = 0, state = 1; i < length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      bytes[i] = state >>> 24;
    }
    return new Blob([bytes]);
  };
  globalThis.sha256 = async (blob) => {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
    return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  globalThis.openLane = async ({ script = "", bodies = "file" } = {}) => {
    const source = `${script}\nawait import("${location.origin}/worker.js");\npostMessage("ready");`;
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })), {
      type: "module",
    });
    const lane = { told: [], said: [] };
    const waiting = [];
    const look = () => waiting.forEach((wait) => wait());
    const when = (found) =>
      new Promise((resolve) => {
        const wait = () => {
          const value = found();
          if (value !== undefined) resolve(value);
        };
        waiting.push(wait);
        wait();
      });
    lane.failed = new Promise((resolve) => (worker.onerror = ({ message }) => resolve(message)));
    worker.onmessage = ({ data }) => {
      lane.told.push(data);
      look();
    };
    lane.tells = (what) => when(() => lane.told.find((data) => data === what));
    await lane.tells("ready");

    const module = await WebAssembly.compileStreaming(fetch("/uploader.wasm"));
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => {
      lane.said.push(data);
      look();
    };
    worker.postMessage({ type: "start", role: "lane", module, conductor: port2, bodies }, [port2]);
    // As the conductor does.
    lane.say = ({ file, offset, ...order }) =>
      port1.postMessage(file ? { ...order, slice: file.slice(offset, offset + order.length) } : order);
    lane.answer = (attempt) =>
      when(() => lane.said.find((data) => data.type !== "sent" && data.attempt === BigInt(attempt)));
    return lane;
  };
}

/** Bytes without a pattern, the same in page and test. */
function noise(length) {
  const bytes = new Uint8Array(length);
  for (let i = 0, state = 1; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** By other code than the lane's: the AWS SDK's. */
async function crc64nvme(bytes) {
  const checksum = new Crc64NvmeJs();
  checksum.update(bytes);
  return `hashed ${Buffer.from(await checksum.digest()).toString("hex")}`;
}

/** The built package, an empty page, and a storage that answers as it is named. */
async function answer(request, response) {
  const path = request.url;
  if (path === "/favicon.ico") return response.writeHead(404).end();
  if (path === "/")
    return response.setHeader("content-type", "text/html").end("<!doctype html><title>lanes</title>");
  if (path === "/worker.js" || path === "/uploader.wasm") {
    const type = path.endsWith(".js") ? "text/javascript" : "application/wasm";
    return response.setHeader("content-type", type).end(await readFile(new URL(`.${path}`, DIST)));
  }
  const { method, headers } = request;
  const seen = { method, headers, body: undefined, aborted: false };
  requests.push(seen);
  response.on("close", () => (seen.aborted = !response.writableFinished));
  const pieces = [];
  try {
    for await (const piece of request) {
      pieces.push(piece);
      if (path === "/break") return request.destroy();
      if (path === "/slow") await new Promise((resolve) => setTimeout(resolve, 4));
    }
  } catch {
    return undefined; // it was cancelled
  }
  seen.body = Buffer.concat(pieces);
  if (path === "/hold") return undefined;
  if (path !== "/refuse") return response.end();
  response.writeHead(503, { "retry-after": "7" });
  return response.end("<Error><Code>SlowDown</Code>".padEnd(100_000, "."));
}
