// The npm package itself, as another site would use it: its own `Uploader`s, made on the demo page.

import assert from "node:assert/strict";
import { appendFile } from "node:fs/promises";
import test, { beforeEach } from "node:test";
import { until, useStack } from "./harness.mjs";
import { equip, openPackage } from "./package-page.mjs";

const MIB = 1024 * 1024;

const stack = useStack();

beforeEach(() => stack.proxy.behave());

test("small files of every odd size arrive, with the checksum of their bytes", async (t) => {
  const page = await openPackage(stack, t);
  const records = await page.evaluate(async () => {
    const uploader = await makeUploader();
    const files = ["", "123456789"].map(
      (text) => new File([text], `${text.length} bytes`, { type: "text/plain" }),
    );
    const options = { path: "a/b", metadata: { camera: "b" } };
    const done = await Promise.all(uploader.uploadAll(files, options).map((task) => task.done));
    await uploader.close();
    return done;
  });
  assert.deepEqual(
    records.map(({ name, size, path, contentType, metadata, status }) => ({
      name,
      size,
      path,
      contentType,
      metadata,
      status,
    })),
    [0, 9].map((size) => ({
      name: `${size} bytes`,
      size,
      path: "a/b",
      contentType: "text/plain",
      metadata: { camera: "b" },
      status: "available",
    })),
  );
  // Source of the second: the check value of CRC-64/NVME, 0xae8b14860a799888.
  assert.deepEqual(
    records.map((record) => record.checksum.crc64nvme),
    ["AAAAAAAAAAA=", Buffer.from("ae8b14860a799888", "hex").toString("base64")],
  );
});

test("a speed limit and a priority reach the engine, at the start and while files travel", async (t) => {
  const page = await openPackage(stack, t);
  const [limited, lifted, order] = await page.evaluate(async () => {
    const limit = 4_000_000;
    const uploader = await makeUploader({ maxRate: limit });
    const file = (name) => new File([new Uint8Array(20 * 1024 * 1024)], name);
    const begun = performance.now();
    await uploader.upload(file("limited.bin")).done;
    const limited = performance.now() - begun;
    uploader.maxRate = undefined;
    const again = performance.now();
    await uploader.upload(file("lifted.bin")).done;
    const lifted = performance.now() - again;
    uploader.maxRate = 3 * limit;
    const order = [];
    const tasks = ["first", "second", "third"].map((name) => uploader.upload(file(name), { priority: -1 }));
    tasks[2].priority = 1;
    await Promise.all(tasks.map((task) => task.done.then(({ name }) => order.push(name))));
    await uploader.close();
    return [limited, lifted, order];
  });
  // Four parts: the last begins when the three before it are paid for, but for 250 ms.
  assert.ok(limited > 3_500, `${limited} ms`);
  assert.ok(lifted < 3_500, `${lifted} ms`);
  assert.equal(order[0], "third");
});

test("many small files share their preflights", async (t) => {
  const page = await openPackage(stack, t);
  const states = await page.evaluate(async () => {
    const uploader = await makeUploader();
    const files = Array.from({ length: 40 }, (_, i) => new File([`content ${i}`], `${i}.txt`));
    const done = await Promise.all(uploader.uploadAll(files).map((task) => task.done));
    await uploader.close();
    return done.map(({ status }) => status);
  });
  assert.deepEqual(states, Array(40).fill("available"));
  const sent = stack.proxy.requests.filter(({ method, status }) => method === "POST" && status < 300);
  assert.equal(sent.length, 40, "all go as forms");
  assert.ok(
    stack.proxy.preflights <= 6,
    `${stack.proxy.preflights} preflights: one a connection at the most`,
  );
});

test("small files do not wait for a large one", async (t) => {
  const page = await openPackage(stack, t);
  stack.proxy.shape({ total: 10 * MIB });
  const state = await page.evaluate(async () => {
    const uploader = await makeUploader();
    const large = uploader.upload(new File([new Uint8Array(100 * 1024 * 1024)], "large.bin"));
    await loads(large, 1024 * 1024);
    const small = uploader.uploadAll(Array.from({ length: 10 }, (_, i) => new File([`${i}`], `${i}.txt`)));
    await Promise.all(small.map((task) => task.done));
    const { state } = large;
    await large.abort();
    await uploader.close();
    return state;
  });
  assert.equal(state, "uploading");
});

test("what is no file, and what is no text, is refused without harm to others", async (t) => {
  const page = await openPackage(stack, t);
  const outcome = await page.evaluate(async () => {
    const uploader = await makeUploader();
    const good = uploader.upload(new Blob(["a"]));
    const bad = uploader.upload(new Blob(["b"]), { metadata: { year: 2026 } });
    let thrown;
    try {
      uploader.upload({ name: "a.txt" });
    } catch (error) {
      thrown = error.name;
    }
    const outcome = [(await good.done).status, await bad.done.catch((error) => error.code), thrown];
    await uploader.close();
    return outcome;
  });
  assert.deepEqual(outcome, ["available", "invalid_request", "TypeError"]);
});

test("a token that is no longer taken is asked for once more", async (t) => {
  const page = await openPackage(stack, t);
  const outcome = await page.evaluate(async () => {
    let asked = 0;
    const good = await guestToken();
    const uploader = await makeUploader({ token: () => (asked++ === 0 ? "stale" : good) });
    const { status } = await uploader.upload(new Blob(["a"])).done;
    await uploader.upload(new Blob(["b"])).done;
    await uploader.close();
    return { asked, status };
  });
  assert.deepEqual(outcome, { asked: 2, status: "available" });
});

test("a token that is never taken, and one that is never given, fail with `unauthenticated`", async (t) => {
  const page = await openPackage(stack, t);
  const { errors, lines } = await page.evaluate(async () => {
    const lines = [];
    const logger = { debug() {}, warn: (line) => lines.push(line) };
    // Any other rejection counts as an outage, and is waited out.
    const thrown = () => {
      throw Object.assign(new Error("nobody is signed in"), { retryable: false });
    };
    const errors = [];
    for (const token of ["nonsense", thrown]) {
      const uploader = await makeUploader({ token, logger });
      const error = await uploader.upload(new Blob(["a"])).done.catch((error) => error);
      errors.push([error.name, error.code, error.status, Boolean(error.requestId), error.retryable]);
      await uploader.close();
    }
    return { errors, lines };
  });
  assert.deepEqual(errors, [
    ["UploadError", "unauthenticated", 401, true, false],
    ["UploadError", "unauthenticated", 401, false, false],
  ]);
  const told = lines.filter((line) => line.startsWith("upload failed: unauthenticated: "));
  assert.equal(told.length, 2, lines);
  assert.match(
    told[0],
    / \(HTTP 401, request [\w-]+\), see docs\/errors\.md#unauthenticated$/,
    "so that the request is found in the coordinator's log",
  );
});

test("an upload from a file handle is continued by the next page without the file", async (t) => {
  const page = await openPackage(stack, t);
  stack.proxy.shape({ total: 8 * MIB, most: 30 * MIB });
  const [left] = await page.evaluate(async () => {
    const folder = await navigator.storage.getDirectory();
    const handle = await folder.getFileHandle("kept.bin", { create: true });
    const out = await handle.createWritable();
    for (let i = 0; i < 40; i++) await out.write(crypto.getRandomValues(new Uint8Array(65536)));
    await out.truncate(40 * 1024 * 1024);
    await out.close();
    const uploader = await makeUploader();
    const task = uploader.upload(handle, { name: "another name.bin" });
    await loads(task, 20 * 1024 * 1024);
    await uploader.close();
    const next = await makeUploader();
    const left = await next.interrupted();
    await next.close();
    return left;
  });
  assert.equal(left.name, "another name.bin");
  assert.equal(left.needsFile, false);

  stack.proxy.shape();
  await page.reload();
  await equip(page);
  const { record, after } = await page.evaluate(async (uploadId) => {
    const uploader = await makeUploader();
    const task = await uploader.continue(uploadId);
    const record = await task.done;
    const after = await uploader.interrupted();
    await uploader.close();
    return { record, after };
  }, left.uploadId);
  assert.equal(record.status, "available");
  assert.equal(record.name, "another name.bin");
  assert.equal(record.size, 40 * MIB);
  assert.deepEqual(after, []);
});

test("a file that is edited in the middle is found out before anything is finalized", async (t) => {
  const page = await openPackage(stack, t);
  const file = await stack.file("edited.bin", 48 * MIB);
  await page.locator("#own-input").setInputFiles(file.path);
  stack.proxy.shape({ total: 8 * MIB, most: 30 * MIB });
  await page.evaluate(async () => {
    const uploader = await makeUploader();
    globalThis.edited = uploader.upload(document.querySelector("#own-input").files[0]);
    await loads(edited, 10 * 1024 * 1024);
  });
  await appendFile(file.path, "one line more");
  stack.proxy.shape();
  const code = await page.evaluate(() =>
    edited.done.then(
      ({ status }) => status,
      (error) => error.code,
    ),
  );
  assert.equal(code, "file_changed");
});

test("all uploads together are told of as one", async (t) => {
  const page = await openPackage(stack, t);
  stack.proxy.shape({ total: 10 * MIB });
  const { told, seconds, during, after } = await page.evaluate(async () => {
    const uploader = await makeUploader();
    const told = [];
    uploader.addEventListener("progress", ({ detail }) => told.push(detail));
    const start = performance.now();
    const tasks = uploader.uploadAll(
      [20, 40, 60].map((size) => new File([new Uint8Array(size * 1024 * 1024)], `${size}.bin`)),
    );
    const during = uploader.progress;
    await loads(tasks[1], 2 * 1024 * 1024);
    await tasks[2].abort();
    await Promise.all([tasks[0].done, tasks[1].done]);
    const after = uploader.progress;
    const seconds = (performance.now() - start) / 1000;
    const next = uploader.upload(new Blob(["next"]));
    await next.done;
    await new Promise((resolve) => setTimeout(resolve, 200));
    await uploader.close();
    return { told, seconds, during, after };
  });
  assert.deepEqual(during, { loaded: 0, total: 120 * MIB, rate: 0, etaSeconds: null });
  assert.equal(after.loaded, after.total);
  assert.ok(after.loaded >= 60 * MIB && after.loaded < 120 * MIB, "the aborted one counts with what it had");
  assert.equal(after.etaSeconds, 0);
  assert.deepEqual([told.at(-1).loaded, told.at(-1).total], [4, 4], "all had ended: it begins anew");
  const first = told.filter(({ total }) => total > 4);
  for (const [i, { loaded }] of first.entries()) assert.ok(i === 0 || loaded >= first[i - 1].loaded);
  assert.ok(told.length <= (seconds + 1) * 10, `${told.length} events in ${seconds} s`);
  // The first megabytes count as sent when the system's buffers take them, faster than the link: so most
  // reports must be right, not each.
  const average = after.loaded / seconds;
  const rates = first.map(({ rate }) => rate).filter((rate) => rate > 0);
  assert.ok(rates.length > 0, "a speed was told");
  const right = rates.filter((rate) => rate > average / 3 && rate < average * 3);
  assert.ok(right.length >= rates.length / 2, `${rates} bytes a second, on average ${average}`);
});

const APPLE = "Apple Computer, Inc.";

/** Which bodies are sent: by the option, and without it by what the browser tells of itself. */
const BODIES = [
  { bodies: "memory", sent: "memory" },
  { bodies: "file", sent: "file" },
  { told: { vendor: APPLE, platform: "MacIntel" }, sent: "memory" },
  { told: { vendor: APPLE, platform: "iPhone" }, sent: "memory" },
  { told: { vendor: APPLE, platform: "Linux x86_64" }, sent: "file" },
];

test("where bodies must not be backed by a file, copies of its bytes are sent", async (t) => {
  const page = await openPackage(stack, t);
  const file = await stack.file("copied.bin", 23 * MIB + 1);
  await page.locator("#own-input").setInputFiles(file.path);
  const own = await page.evaluate(() => 1 + Math.min(4, Math.max(2, navigator.hardwareConcurrency - 1)));
  for (const { bodies, told = {}, sent } of BODIES) {
    await until(() => page.workers().length === own, "only the page's own workers run");
    await page.evaluate(
      async ({ bodies, told }) => {
        for (const [name, value] of Object.entries(told))
          Object.defineProperty(navigator, name, { value, configurable: true });
        globalThis.uploader = await makeUploader({ bodies, workers: 2 });
      },
      { bodies, told },
    );
    await until(() => page.workers().length === own + 3, "a conductor and two lanes more");
    await Promise.all(page.workers().map((worker) => worker.evaluate(tellOfBodies)));
    const { sha256, kinds } = await page.evaluate(async () => {
      const kinds = [];
      const channel = new BroadcastChannel("bodies");
      channel.onmessage = ({ data }) => kinds.push(data);
      const { fileId } = await uploader.upload(document.querySelector("#own-input").files[0]).done;
      await uploader.close();
      return { sha256: await contentHash(fileId), kinds };
    });
    assert.equal(sha256, file.sha256);
    assert.ok(kinds.length >= 5, `${kinds.length} parts`);
    assert.deepEqual(new Set(kinds), new Set([sent]), JSON.stringify(told));
  }
});

test("a page that is busy does not hold its upload up", async (t) => {
  const page = await openPackage(stack, t);
  stack.proxy.shape({ total: 20 * MIB });
  await page.evaluate(async () => {
    globalThis.uploader = await makeUploader();
    globalThis.task = uploader.upload(new File([new Uint8Array(160 * 1024 * 1024)], "busy page.bin"));
    await loads(task, 1024 * 1024);
  });
  // A page that waits for an answer in the middle of a script does nothing else, for as long as the test wants it.
  let release;
  const held = new Promise((resolve) => (release = resolve));
  await page.route("**/held", async (route) => {
    await held;
    await route.fulfill({ body: "" });
  });
  const before = partsSent();
  let blocked = true;
  const busy = page
    .evaluate(() => {
      const request = new XMLHttpRequest();
      request.open("GET", "/held", false);
      request.send();
    })
    .then(() => (blocked = false));
  await until(() => partsSent() - before >= 8, "eight parts are stored");
  assert.ok(blocked, "and the page had no time for them");
  release();
  await busy;
  await page.evaluate(async () => {
    await task.abort();
    await uploader.close();
  });
});

test("the change feed starts where it is told to, and ends when it is told to", async (t) => {
  const page = await openPackage(stack, t);
  const { all, live } = await page.evaluate(async () => {
    const token = await guestToken();
    const uploader = await makeUploader({ token });
    await uploader.upload(new File(["a"], "a")).done;
    const live = [];
    const end = new AbortController();
    const follow = async () => {
      for await (const change of uploader.changes({ signal: end.signal })) live.push(change);
    };
    const following = follow();
    const all = [];
    for await (const change of uploader.changes({ since: 0 })) {
      all.push(change);
      if (all.length === 2) void uploader.upload(new File(["b"], "b"));
      if (all.length === 4) break;
    }
    while (live.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    end.abort();
    await following;
    await uploader.close();
    const short = (change) => [change.type, change.seq, change.kind, change.file.name];
    return { all: all.map(short), live: live.map(short) };
  });
  const expected = [
    ["change", 1, "file.uploading", "a"],
    ["change", 2, "file.available", "a"],
    ["change", 3, "file.uploading", "b"],
    ["change", 4, "file.available", "b"],
  ];
  assert.deepEqual(all, expected);
  assert.deepEqual(live.slice(-2), expected.slice(2));
});

test("a worker or module that cannot be loaded fails the upload, and the next use starts anew", async (t) => {
  const page = await openPackage(stack, t);
  const codes = await page.evaluate(async () => {
    const codes = [];
    for (const options of [{ workerUrl: "/no-worker.js" }, { wasmUrl: "/no-module.wasm" }]) {
      const uploader = await makeUploader(options);
      for (let i = 0; i < 2; i++)
        codes.push(await uploader.upload(new Blob(["a"])).done.catch((error) => error.code));
      await uploader.close();
    }
    return codes;
  });
  assert.deepEqual(codes, Array(4).fill("worker_failed"));
});

test("a module that the page has compiled itself is not fetched again", async (t) => {
  const page = await openPackage(stack, t);
  const fetched = [];
  page.on("request", (request) => fetched.push(new URL(request.url()).pathname));
  const status = await page.evaluate(async () => {
    const wasmModule = await WebAssembly.compileStreaming(fetch("/uploader/uploader.wasm?own"));
    const uploader = await makeUploader({ wasmModule });
    const record = await uploader.upload(new Blob(["a"])).done;
    await uploader.close();
    return record.status;
  });
  assert.equal(status, "available");
  assert.equal(fetched.filter((path) => path.endsWith(".wasm")).length, 1);
});

function partsSent() {
  return stack.proxy.storedPuts.length;
}

/** Runs in a worker. */
function tellOfBodies() {
  const channel = new BroadcastChannel("bodies");
  const { send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.send = function (body) {
    channel.postMessage(
      body instanceof ArrayBuffer ? "memory" : body instanceof Blob ? "file" : String(body),
    );
    return send.call(this, body);
  };
}
