// Folders: picked, dropped or by their handles, each file on its way as it is found.

import assert from "node:assert/strict";
import test from "node:test";

import { Uploader } from "../../uploader-wasm/npm/dist/index.js";
import { FakeWorkers } from "./fake-workers.mjs";

const TREE = {
  "cover.jpg": "file",
  ".DS_Store": "file",
  day: {
    "a.dng": "file",
    "Thumbs.db": "file",
    deep: { "b.dng": "file" },
    locked: "folder that cannot be read",
  },
  nothing: {},
  "only system": { ".DS_Store": "file" },
  "gone.jpg": "file that cannot be read",
};

const FOUND = [
  ["Holiday", "cover.jpg"],
  ["Holiday/day", "a.dng"],
  ["Holiday/day/deep", "b.dng"],
];

test("a file that was picked in a folder has that as its path", async (t) => {
  const { uploader, added } = start(t);
  const files = ["a/b/c.txt", "a/.DS_Store", "", "a/Thumbs.db"].map((path) => {
    const file = new File(["x"], path.split("/").at(-1) || ".DS_Store");
    return Object.defineProperty(file, "webkitRelativePath", { value: path });
  });
  const tasks = uploader.uploadAll(files);
  assert.deepEqual(
    tasks.map(({ name }) => name),
    ["c.txt", ".DS_Store"],
    "one that was picked by itself is wanted",
  );
  uploader.uploadAll(files.slice(0, 2), { path: "below", systemFiles: true });
  assert.deepEqual(await added(4), [
    ["a/b", "c.txt"],
    [undefined, ".DS_Store"],
    ["below/a/b", "c.txt"],
    ["below/a", ".DS_Store"],
  ]);
});

for (const [way, source] of [
  ["by its handle", () => handle("Holiday", TREE)],
  ["dropped, by its handle", () => transfer({ handle: handle("Holiday", TREE) })],
  ["dropped, where there are no handles", () => transfer({ entry: entry("Holiday", TREE) })],
]) {
  test(`a folder is walked ${way}, and what is empty or unreadable in it is told`, async (t) => {
    const { uploader, added } = start(t);
    const folder = uploader.uploadAll(source());
    const seen = [];
    for await (const task of folder) seen.push(task.name);
    assert.deepEqual(seen.sort(), [...FOUND.map(([, name]) => name), ...lost(way)].sort());
    assert.deepEqual(folder.emptyFolders, ["Holiday/nothing", "Holiday/only system"]);
    const unread = ["Holiday/day/locked", ...(lost(way).length > 0 ? [] : ["Holiday/gone.jpg"])];
    assert.deepEqual(folder.unreadable, unread);
    assert.deepEqual((await added(3)).sort(), FOUND);
    assert.deepEqual((await folder).map(({ name }) => name).sort(), seen, "and once more, for who awaits it");
  });
}

test("system files come along where they are asked for, and the path is below the options'", async (t) => {
  const { uploader, added } = start(t);
  const tree = { ".DS_Store": "file", a: { "Thumbs.db": "file" } };
  const tasks = await uploader.uploadAll(handle("F", tree), { path: "x/y", systemFiles: true });
  assert.equal(tasks.length, 2);
  assert.deepEqual(await added(2), [
    ["x/y/F", ".DS_Store"],
    ["x/y/F/a", "Thumbs.db"],
  ]);
});

test("files that are dropped without a folder are taken as they are", async (t) => {
  const { uploader, added } = start(t);
  const file = new File(["x"], "a.txt");
  await uploader.uploadAll(transfer({ file }, { text: true }, { handle: handle("b.txt", "file") }));
  assert.deepEqual(await added(2), [
    [undefined, "a.txt"],
    [undefined, "b.txt"],
  ]);
});

test("ten thousand files leave the page its time, and are never open all at once", async (t) => {
  const { uploader, workers } = start(t);
  const count = 10_000;
  let walked = 0;
  const many = {
    kind: "directory",
    name: "many",
    async *values() {
      for (; walked < count; walked++) yield handle(`${walked}`, "file");
    },
  };
  const folder = uploader.uploadAll(many);
  let [open, mostOpen, turns] = [0, 0, 0];
  // Whatever a page does in turns of its own while the walk goes on.
  const beat = setInterval(() => (turns += 1));
  t.after(() => clearInterval(beat));
  let ended = 0;
  workers.onMessage = ({ type, task }) => {
    if (type !== "add") return;
    mostOpen = Math.max(mostOpen, ++open);
    // Each ends when a hundred more are open.
    if (open < 100 && ended + open < count) return;
    setImmediate(() => {
      workers.say({ type: "available", task, record: '{"size":1}' });
      open -= 1;
      ended += 1;
    });
  };
  let seen = 0;
  for await (const task of folder) if (task) seen += 1;
  assert.equal(seen, count);
  assert.ok(mostOpen <= 1000, `${mostOpen} were open`);
  assert.ok(turns >= 20, `the page had ${turns} turns`);
});

test("a walk waits while a thousand of its uploads are open, and its signal ends it", async (t) => {
  const { uploader, workers } = start(t);
  const abort = new AbortController();
  const files = Object.fromEntries(Array.from({ length: 1500 }, (_, i) => [`${i}`, "file"]));
  const folder = uploader.uploadAll(handle("F", files), { signal: abort.signal });
  const added = await workers.messages("add", 1000);
  await new Promise((resolve) => setTimeout(resolve)); // the walk's own turn
  assert.equal(added.length, 1000);
  abort.abort("enough");
  const aborts = await workers.messages("abort", 1000);
  for (const { task } of aborts) workers.say({ type: "state", task, state: "aborted" });
  assert.equal((await folder).length, 1000, "no other upload begins");
  assert.deepEqual(folder.emptyFolders, []);
});

test("closing ends a walk", async (t) => {
  const { uploader } = start(t);
  let next;
  const slow = {
    kind: "directory",
    name: "slow",
    async *values() {
      yield handle("a", "file");
      await new Promise((resolve) => (next = resolve));
      yield handle("b", "file");
    },
  };
  const folder = uploader.uploadAll(slow);
  for await (const task of folder) {
    assert.equal(task.name, "a");
    break;
  }
  await new Promise((resolve) => setTimeout(resolve)); // the walk's own turn
  await uploader.close();
  next();
  await assert.rejects(Promise.resolve(folder), { code: "closed" });
});

function start(t) {
  const workers = new FakeWorkers(t);
  const uploader = new Uploader({
    endpoint: "https://files.example.com",
    token: "a.b.c",
    ...workers.options,
  });
  t.after(() => uploader.close());
  const added = async (count) =>
    (await workers.messages("add", count)).map(({ description: { path, name } }) => [path, name]);
  return { uploader, workers, added };
}

/** A handle is opened by its upload, so that one which cannot be read fails there. */
function lost(way) {
  return way.includes("no handles") ? [] : ["gone.jpg"];
}

function handle(name, content) {
  if (typeof content === "string" && !content.startsWith("folder")) {
    const getFile = async () => {
      if (content !== "file") throw new DOMException("gone", "NotFoundError");
      return new File(["x"], name);
    };
    return { kind: "file", name, getFile };
  }
  return {
    kind: "directory",
    name,
    async *values() {
      if (typeof content === "string") throw new DOMException("locked", "NotAllowedError");
      for (const [name, inner] of Object.entries(content)) yield handle(name, inner);
    },
  };
}

function entry(name, content) {
  if (typeof content === "string" && !content.startsWith("folder")) {
    const file = (resolve, reject) =>
      content === "file" ? resolve(new File(["x"], name)) : reject(new DOMException("gone", "NotFoundError"));
    return { isFile: true, isDirectory: false, name, file };
  }
  const createReader = () => {
    const left = typeof content === "string" ? undefined : Object.entries(content);
    const readEntries = (resolve, reject) =>
      left
        ? resolve(left.splice(0, 2).map(([name, inner]) => entry(name, inner)))
        : reject(new DOMException("locked", "NotReadableError"));
    return { readEntries };
  };
  return { isFile: false, isDirectory: true, name, createReader };
}

/** What a drop carries; it is empty once the event is over. */
function transfer(...dropped) {
  const items = dropped.map(({ handle, entry, file, text }) => ({
    kind: text ? "string" : "file",
    ...(handle && { getAsFileSystemHandle: async () => handle }),
    webkitGetAsEntry: () => entry ?? null,
    getAsFile: () => file ?? null,
  }));
  queueMicrotask(() => items.splice(0));
  return { items, getData: () => "" };
}
