// The facade where there is no browser: it must import, check its options, and keep its promises.
//
// Needs the built package (`cargo xtask build package`).

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { brotliCompressSync, gzipSync } from "node:zlib";
import test from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import { UploadError, UploadTask, Uploader } from "../../uploader-wasm/npm/dist/index.js";
import { FakeWorkers } from "./fake-workers.mjs";

const endpoint = "https://files.example.com/";
const token = "a.b.c";

test("making an uploader outside a browser starts nothing", async () => {
  const uploader = new Uploader({ endpoint, token });
  await uploader.close();
  await uploader.close();
});

test("options that cannot be used are refused by name", () => {
  const refused = [
    [{ endpoint: "not an address", token }, TypeError, /URL/],
    [{ endpoint, token: undefined }, TypeError, /token/],
    [{ endpoint, token, integrity: "md5" }, TypeError, /integrity/],
    [{ endpoint, token, concurrency: 0 }, RangeError, /concurrency/],
    [{ endpoint, token, concurrency: 1.5 }, RangeError, /concurrency/],
    [{ endpoint, token, partSize: 1024 }, RangeError, /partSize/],
    [{ endpoint, token, workers: 17 }, RangeError, /workers/],
    [{ endpoint, token, maxRate: 0 }, RangeError, /maxRate/],
    [{ endpoint, token, maxRate: 1.5 }, RangeError, /maxRate/],
    [{ endpoint, token, retry: { maxAttempts: 0 } }, RangeError, /retry\.maxAttempts/],
    [{ endpoint, token, retry: { maxDelay: -1 } }, RangeError, /retry\.maxDelay/],
  ];
  for (const [options, kind, text] of refused) {
    assert.throws(
      () => new Uploader(options),
      (error) => error instanceof kind && text.test(error.message),
    );
  }
});

test("every documented option is taken", () => {
  new Uploader({
    endpoint: new URL(endpoint),
    token: async () => token,
    concurrency: 4,
    partSize: 5 * 1024 * 1024,
    integrity: "none",
    retry: { maxAttempts: 3, baseDelay: 100, maxDelay: 1000, outagePatience: 0 },
    maxRate: 1_000_000,
    persist: false,
    wakeLock: true,
    deltas: true,
    workers: 2,
    workerUrl: "/worker.js",
    wasmUrl: "/uploader.wasm",
    logger: console,
  });
  new Uploader({ endpoint, token, concurrency: "adaptive" });
});

test("a closed uploader refuses work with the code `closed`", async () => {
  const uploader = new Uploader({ endpoint, token });
  await uploader.close();
  assert.throws(() => uploader.upload(new Blob(["a"])), { name: "UploadError", code: "closed" });
  await assert.rejects(uploader.interrupted(), { code: "closed" });
  await assert.rejects(uploader.changes().next(), { code: "closed" });
});

test("workers that cannot be made fail the upload, not the page", async () => {
  const uploader = new Uploader({
    endpoint,
    token,
    createWorker() {
      throw new Error("no workers here");
    },
  });
  const task = uploader.upload(new Blob(["a"]));
  await assert.rejects(task.done, (error) => error.code === "worker_failed" && error.retryable);
  assert.equal(task.state, "failed");
});

test("what an earlier page stored is no speed of all uploads together", async (t) => {
  const workers = new FakeWorkers(t);
  const uploader = new Uploader({ endpoint, token, ...workers.options });
  const megabytes = (count) => count * 2 ** 20;
  const tell = (task, loaded) =>
    workers.say({
      type: "progress",
      task,
      progress: { loaded, total: megabytes(300), rate: 0, etaSeconds: null },
    });
  const running = uploader.upload(new File(["a"], "running.bin"));
  const [{ task: first }] = await workers.messages("add", 1);
  workers.say({ type: "state", task: first, state: "uploading" });

  const continued = uploader.continue("u1", new File(["b"], "kept.bin"));
  const [{ id }] = await workers.messages("reopen", 1);
  const kept = { name: "kept.bin", size: megabytes(300), loaded: megabytes(262), renamed: false };
  workers.say({ type: "answer", id, value: kept });
  const task = await continued;
  assert.equal(task.progress.loaded, megabytes(262));
  const [{ task: second }] = await workers.messages("restore", 1);
  workers.say({ type: "state", task: second, state: "uploading" });
  await delay(400);
  tell(second, megabytes(262) + 1000);
  tell(first, 1000);
  const { rate } = uploader.progress;
  assert.ok(rate > 0 && rate < 10_000, `${rate} bytes a second`);
  for (const { done } of [running, task]) done.catch(() => {});
  await uploader.close();
});

test("a task tells its states and progress, and ends with the record", async () => {
  const { task } = newTask(10);
  const told = [];
  task.addEventListener("statechange", (event) => told.push(event.detail.state));
  task.addEventListener("progress", (event) => told.push(event.detail.loaded));
  task.receive({ type: "state", task: 1, state: "uploading" });
  task.receive({ type: "state", task: 1, state: "uploading" });
  task.receive({ type: "progress", task: 1, progress: { loaded: 4, total: 10, rate: 1, etaSeconds: 6 } });
  task.receive({ type: "state", task: 1, state: "completing" });
  task.receive({ type: "available", task: 1, record: JSON.stringify({ fileId: "f", size: 10 }) });
  assert.deepEqual(told, ["uploading", 4, "completing", 10, "available"]);
  assert.deepEqual(await task.done, { fileId: "f", size: 10 });
  assert.equal(task.state, "available");
});

test("a failed task rejects with what the coordinator said", async () => {
  const { task } = newTask(1);
  const failure = {
    code: "quota_exceeded",
    message: "no room",
    retryable: false,
    requestId: "r1",
    status: 403,
  };
  task.receive({ type: "failed", task: 1, failure });
  await assert.rejects(task.done, (error) => {
    assert.ok(error instanceof UploadError);
    const { code, message, retryable, requestId, status } = error;
    assert.deepEqual({ code, message, retryable, requestId, status }, failure);
    return true;
  });
});

test("a failure that nobody waits for is no unhandled rejection", async () => {
  const unhandled = [];
  process.on("unhandledRejection", (error) => unhandled.push(error));
  const { task } = newTask(1);
  task.receive({ type: "failed", task: 1, failure: { code: "internal", message: "", retryable: true } });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(unhandled, []);
});

test("aborting is fulfilled at the end, and the reason is the error's cause", async () => {
  const { task, orders } = newTask(1);
  const aborted = task.abort("changed my mind");
  assert.deepEqual(orders, ["abort"]);
  task.receive({ type: "state", task: 1, state: "aborted" });
  await aborted;
  await assert.rejects(task.done, { code: "aborted", cause: "changed my mind" });
});

test("an abort signal aborts, and is let go at the end", async () => {
  const controller = new AbortController();
  const { task, orders } = newTask(1, controller.signal);
  task.receive({ type: "available", task: 1, record: JSON.stringify({ size: 1 }) });
  controller.abort();
  assert.deepEqual(orders, []);

  const second = new AbortController();
  const { orders: others } = newTask(1, second.signal);
  second.abort();
  assert.deepEqual(others, ["abort"]);
});

test("orders wait until a file handle has been opened", async () => {
  const { task, orders } = newTask(0);
  let open;
  task.open(new Promise((resolve) => (open = resolve)));
  task.pause();
  assert.deepEqual(orders, []);
  open();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(orders, ["pause"]);
});

test("a speed limit is told to the conductor, at the start and when it changes", async (t) => {
  const workers = new FakeWorkers(t);
  const uploader = new Uploader({ endpoint, token, ...workers.options, maxRate: 1000 });
  assert.equal(uploader.maxRate, 1000);
  uploader.upload(new Blob(["a"]));
  await workers.messages("add", 1);
  assert.equal(workers.start.options.maxRate, 1000);
  uploader.maxRate = 2000;
  uploader.maxRate = undefined;
  const told = await workers.messages("maxRate", 2);
  assert.deepEqual(
    told.map(({ rate }) => rate),
    [2000, undefined],
  );
  assert.throws(() => (uploader.maxRate = -1), RangeError);
  assert.equal(uploader.maxRate, undefined);
});

test("a priority is told to the conductor, at the start and when it changes", async (t) => {
  const workers = new FakeWorkers(t);
  const uploader = new Uploader({ endpoint, token, ...workers.options });
  const [first, second] = [{ priority: 7 }, {}].map((options) => uploader.upload(new Blob(["a"]), options));
  assert.deepEqual([first.priority, second.priority], [7, 0]);
  const added = await workers.messages("add", 2);
  assert.deepEqual(
    added.map(({ description }) => description.priority),
    [7, undefined],
  );
  second.priority = -7;
  const [{ task, priority }] = await workers.messages("prioritize", 1);
  assert.deepEqual([task, priority, second.priority], [added[1].task, -7, -7]);
  assert.throws(() => (second.priority = 0.5), RangeError);
  await assert.rejects(uploader.upload(new Blob(["a"]), { priority: 1001 }).done, {
    code: "invalid_request",
  });
});

test("a page loads no more than it was promised", async () => {
  const [page, ...others] = await Promise.all(["index.js", "worker.js", "uploader.wasm"].map(built));
  const gzip = gzipSync(page, { level: 9 }).length;
  assert.ok(gzip < (await budget("PAGE_GZIP_BUDGET")), `the page's script has ${gzip} bytes, gzipped`);
  const all = [page, ...others].reduce((sum, file) => sum + brotliCompressSync(file).length, 0);
  assert.ok(all < (await budget("BROTLI_BUDGET")), `everything together has ${all} bytes, brotli`);
});

/** What `cargo xtask pack` holds the package to, in bytes. */
async function budget(name) {
  const source = await readFile(new URL("../../xtask/src/pack.rs", import.meta.url), "utf8");
  const [, bytes] = new RegExp(`const ${name}: u64 = ([\\d_]+);`).exec(source);
  return Number(bytes.replaceAll("_", ""));
}

function newTask(size, signal) {
  const orders = [];
  return { task: new UploadTask("name", size, { signal }, (order) => orders.push(order)), orders };
}

function built(file) {
  return readFile(new URL(`../../uploader-wasm/npm/dist/${file}`, import.meta.url));
}
