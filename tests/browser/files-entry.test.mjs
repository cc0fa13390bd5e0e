// `@syncsphere/uploader/files` against the real coordinator and storage, from a program as from a page: it needs no
// browser.

import assert from "node:assert/strict";
import test from "node:test";

import { UploadError } from "../../uploader-wasm/npm/dist/index.js";
import { Workspace } from "../../uploader-wasm/npm/dist/files.js";
import { noise, useStack } from "../worker/support.mjs";

const stack = useStack();

test("files are listed by time and by name, filtered, page by page", async () => {
  const { client, workspace } = await open();
  const bytes = noise(1000);
  const uploaded = [];
  for (const [name, path] of [
    ["report-1.txt", "a"],
    ["photo & more.png", "a/b"],
    ["report-2.txt", "a"],
  ]) {
    uploaded.push(await client.upload(bytes, { name, path }));
  }
  await client.open(bytes, { name: "open.txt" });

  const names = async (query) => (await workspace.files(query)).files.map(({ name }) => name);
  const [first, second] = uploaded;
  assert.deepEqual(await names(), ["open.txt", "report-2.txt", "photo & more.png", "report-1.txt"]);
  assert.deepEqual(await names({ status: ["available"] }), [
    "report-2.txt",
    "photo & more.png",
    "report-1.txt",
  ]);
  assert.deepEqual(await names({ status: ["uploading", "deleted"] }), ["open.txt"]);
  assert.deepEqual(await names({ path: "a" }), ["report-2.txt", "report-1.txt"]);
  assert.deepEqual(await names({ path: "" }), ["open.txt"]);
  assert.deepEqual(await names({ name: "report" }), ["report-1.txt", "report-2.txt"]);
  assert.deepEqual(await names({ name: "photo & m" }), ["photo & more.png"]);
  assert.deepEqual(await names({ createdBefore: second.createdAt }), ["report-1.txt"]);
  assert.deepEqual(await names({ createdFrom: new Date(first.createdAt), createdBefore: second.createdAt }), [
    "report-1.txt",
  ]);

  const page = await workspace.files({ limit: 2, name: "" });
  assert.equal(page.files.length, 2);
  const rest = await workspace.files({ limit: 2, name: "", cursor: page.nextCursor });
  const all = [];
  for await (const { name } of workspace.allFiles({ limit: 1, name: "" })) all.push(name);
  assert.deepEqual(
    all,
    [...page.files, ...rest.files].map(({ name }) => name),
  );
  assert.equal(all.length, 4);
});

test("one file: its record, its content, its end", async () => {
  const { client, workspace } = await open();
  const bytes = noise(5000);
  const { fileId } = await client.upload(bytes, { name: "one.bin" });
  assert.equal(await workspace.newest(), 2);
  assert.equal((await workspace.file(fileId)).status, "available");

  const { url, expiresAt } = await workspace.content(fileId);
  assert.ok(Date.parse(expiresAt) > Date.now());
  const content = await fetch(url);
  assert.match(content.headers.get("content-disposition"), /one\.bin/);
  assert.deepEqual(new Uint8Array(await content.arrayBuffer()), new Uint8Array(bytes));

  const film = await client.upload(bytes, { name: "film.mp4", contentType: "video/mp4" });
  const hour = await workspace.content(film.fileId, { disposition: "inline", expires: 3600 });
  const left = Date.parse(hour.expiresAt) - Date.now();
  assert.ok(left > 3_500_000 && left <= 3_600_000, `${left} ms`);
  assert.match((await fetch(hour.url)).headers.get("content-disposition"), /^inline;.*film\.mp4/);
  await assert.rejects(workspace.content(film.fileId, { expires: 14_401 }), { code: "invalid_request" });
  await workspace.deleteFile(film.fileId);

  const begun = await client.open(bytes, { name: "begun.bin" });
  await assert.rejects(workspace.content(begun.fileId), { code: "conflict", status: 409 });
  await assert.rejects(workspace.deleteFile(begun.fileId), { code: "conflict", retryable: false });

  assert.equal((await workspace.deleteFile(fileId)).status, "deleted");
  assert.equal((await workspace.deleteFile(fileId)).status, "deleted");
  await assert.rejects(workspace.content(fileId), { code: "not_found" });
});

test("versions are listed by any of them, and an older one is made the newest again", async () => {
  const { client, workspace } = await open();
  const bytes = noise(5000);
  const first = await client.upload(bytes, { name: "plan.txt" });
  const second = await client.upload(noise(10), { name: "plan.txt", base: first.fileId });
  assert.deepEqual(await workspace.versions(first.fileId), [second, first]);
  assert.deepEqual([second.version, second.previous], [2, first.fileId]);

  const third = await workspace.restore(first.fileId);
  assert.deepEqual([third.version, third.previous, third.conflict], [3, second.fileId, undefined]);
  const content = await fetch((await workspace.content(third.fileId)).url);
  assert.deepEqual(new Uint8Array(await content.arrayBuffer()), new Uint8Array(bytes));
  assert.deepEqual(await workspace.restore(first.fileId), third);
  assert.deepEqual(await workspace.versions(third.fileId), [third, second, first]);

  await workspace.deleteFile(second.fileId);
  await assert.rejects(workspace.restore(second.fileId), { code: "not_found" });
  await assert.rejects(workspace.versions("no/such?file"), { code: "not_found" });
});

test("what is refused says why, and which request it was", async () => {
  const { workspace } = await open();
  await assert.rejects(workspace.file("no/such?file"), (error) => {
    assert.ok(error instanceof UploadError);
    assert.equal(error.code, "not_found");
    assert.match(error.requestId, /^[0-9a-f-]+$/);
    return true;
  });
  await assert.rejects(workspace.files({ cursor: "made up" }), { code: "invalid_request", status: 400 });
  await assert.rejects(workspace.files({ limit: 1001 }), { code: "invalid_request" });
});

test("a token that is no longer taken is replaced once, by one question for all who wait", async () => {
  const client = await stack.guest();
  let asked = 0;
  const token = async () => (++asked === 1 ? "stale.stale.stale" : client.token);
  const workspace = new Workspace({ endpoint: stack.url, token });
  const pages = await Promise.all([workspace.files(), workspace.files(), workspace.newest()]);
  assert.deepEqual(pages, [{ files: [] }, { files: [] }, 0]);
  assert.equal(asked, 2);

  const hopeless = new Workspace({ endpoint: stack.url, token: "stale.stale.stale" });
  await assert.rejects(hopeless.files(), { code: "unauthenticated", retryable: false });
});

test("a page that has no token, no network or no patience is told apart", async () => {
  const { workspace, client } = await open();
  const reason = new Error("left the page");
  await assert.rejects(workspace.files({ signal: AbortSignal.abort(reason) }), {
    code: "aborted",
    cause: reason,
  });
  const without = (error) =>
    new Workspace({
      endpoint: stack.url,
      token() {
        throw error;
      },
    });
  await assert.rejects(without(new Error("signed out")).files(), { code: "unauthenticated" });
  await assert.rejects(without(new TypeError("fetch failed")).files(), {
    code: "coordinator_unreachable",
    retryable: true,
  });
  // Nobody is there.
  const nobody = new Workspace({ endpoint: "http://127.0.0.1:9", token: client.token });
  await assert.rejects(nobody.files(), { code: "coordinator_unreachable", retryable: true });
  // What is no coordinator answers as storage does.
  const another = new Workspace({ endpoint: stack.s3.endpoint, token: client.token });
  await assert.rejects(another.files(), { code: "protocol_violation", retryable: false });
  assert.throws(() => new Workspace({ endpoint: stack.url }), TypeError);
});

async function open() {
  const client = await stack.guest();
  return { client, workspace: new Workspace({ endpoint: stack.url, token: client.token }) };
}
