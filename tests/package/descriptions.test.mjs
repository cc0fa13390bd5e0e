// What the page says of its files: checked and copied before it reaches a worker, so that one file harms no other.

import assert from "node:assert/strict";
import test from "node:test";

import { Uploader } from "../../uploader-wasm/npm/dist/index.js";
import { mediaType } from "../../uploader-wasm/npm/src/media-type.ts";
import { FakeWorkers } from "./fake-workers.mjs";

const endpoint = "https://files.example.com/";
const token = "a.b.c";

test("a media type is mended where it can be", () => {
  const mended = {
    "": "",
    "image/png": "image/png",
    jpg: "",
    "text/plain;  charset=utf-8": "text/plain; charset=utf-8",
    "text/plain;charset=utf-8;": "text/plain; charset=utf-8",
    'image/png; name="ü"': "image/png",
    'multipart/mixed; boundary="a;b"; x=1': 'multipart/mixed; boundary="a;b"; x=1',
    'text/html; charset="utf-8': "",
    "a/b/c": "",
    "text/plain; charset = utf-8": "text/plain",
    "text/plain\r\nx: y": "",
    [`text/plain; a=${"b".repeat(300)}`]: "text/plain",
    [`text/${"b".repeat(300)}`]: "",
  };
  for (const [text, expected] of Object.entries(mended)) assert.equal(mediaType(text), expected, text);
});

test("a chosen content type goes before the file's own, and both are mended", async (t) => {
  const workers = new FakeWorkers(t);
  const uploader = new Uploader({ endpoint, token, ...workers.options });
  const file = new File(["a"], "a.jpg", { type: "jpg" });
  uploader.upload(file);
  uploader.upload(file, { contentType: "image/jpeg;  q=1" });
  uploader.upload(file, { contentType: "nonsense" });
  const added = await workers.messages("add", 3);
  assert.deepEqual(
    added.map(({ description }) => description.contentType),
    ["", "image/jpeg; q=1", ""],
  );
  await uploader.close();
});

test("what is no text, or cannot be copied, fails its own upload alone", async (t) => {
  const workers = new FakeWorkers(t);
  const uploader = new Uploader({ endpoint, token, ...workers.options });
  const good = uploader.upload(new Blob(["a"]));
  const bad = {
    "metadata.year": { metadata: { year: 2026 } },
    "metadata.draw": { metadata: { draw() {} } },
    "metadata.mark": { metadata: { mark: Symbol("x") } },
    metadata: { metadata: "text" },
    path: { path: 7 },
    name: { name: () => "a" },
    contentType: { contentType: {} },
  };
  for (const [key, options] of Object.entries(bad)) {
    const { done } = uploader.upload(new Blob(["b"]), options);
    await assert.rejects(done, ({ code, message, retryable }) => {
      assert.deepEqual([code, retryable], ["invalid_request", false]);
      assert.ok(message.startsWith(`${key} must be`), message);
      return true;
    });
  }
  // No file at all, though it looks like one: it cannot be copied to a worker.
  const fake = { slice() {}, size: 1, type: "", name: "fake" };
  await assert.rejects(uploader.upload(fake).done, { code: "invalid_request" });
  assert.equal(good.state, "queued");
  const [added, ...others] = await workers.messages("add", 1);
  assert.equal(added.file.size, 1);
  assert.deepEqual(others, []);
  await uploader.close();
});

test("metadata is what it was when the upload began", async (t) => {
  const workers = new FakeWorkers(t);
  const uploader = new Uploader({ endpoint, token, ...workers.options });
  const metadata = { camera: "b" };
  let open;
  const handle = { name: "h", getFile: () => new Promise((resolve) => (open = resolve)) };
  uploader.upload(handle, { metadata });
  metadata.camera = "c";
  open(new File(["a"], "h"));
  uploader.upload(new Blob(["a"]), { metadata });
  metadata.camera = "d";
  const added = await workers.messages("add", 2);
  const cameras = added.map(({ description }) => description.metadata.camera);
  assert.deepEqual(cameras.sort(), ["b", "c"]);
  await uploader.close();
});

test("a token that is no string fails who waits for it, and a logger that throws nobody", async (t) => {
  const workers = new FakeWorkers(t);
  const logger = {
    debug() {},
    warn() {
      throw new Error("the page's logger is broken");
    },
  };
  const uploader = new Uploader({ endpoint, token: () => () => {}, logger, ...workers.options });
  const task = uploader.upload(new Blob(["a"]));
  await workers.messages("add", 1);
  workers.say({ type: "token", id: 1 });
  const [{ answer }] = await workers.messages("token", 1);
  assert.deepEqual(answer, { offline: false });
  workers.say({ type: "log", level: "warn", message: "m" });
  const failure = { code: "internal", message: "m", retryable: true };
  workers.say({ type: "failed", task: 1, failure });
  await assert.rejects(task.done, { code: "internal" });
  await uploader.close();
});

test("closing while a handle is being opened leaves no rejection behind", async (t) => {
  const unhandled = [];
  const note = (error) => unhandled.push(error);
  process.on("unhandledRejection", note);
  t.after(() => process.off("unhandledRejection", note));
  const workers = new FakeWorkers(t);
  const uploader = new Uploader({ endpoint, token, ...workers.options });
  let open;
  const task = uploader.upload({ name: "h", getFile: () => new Promise((resolve) => (open = resolve)) });
  const closed = uploader.close();
  open(new File(["a"], "h"));
  await assert.rejects(task.done, { code: "closed" });
  await closed;
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(unhandled, []);
});
