// The main job: files of every size and name go from the page to storage and come back byte by byte.

import { test } from "node:test";
import assert from "node:assert/strict";
import { download, fileRow, pick, reaches, uploadRow, useStack } from "./harness.mjs";

const MIB = 1024 * 1024;
// Source: protocol/src/parts.rs, `default_part_size` for a file of this size.
const PART = 16 * MIB;

const stack = useStack();

for (const [what, size] of [
  ["an empty file", 0],
  ["one byte", 1],
  ["exactly one part", PART],
  ["one part and a byte", PART + 1],
  ["100 MB", 100_000_000],
]) {
  test(`${what} arrives whole`, async (t) => {
    const page = await stack.openPage(t);
    const file = await stack.file(`${what}.bin`, size);
    await pick(page, file);
    await reaches(page, file.name, "available");

    const history = (await page.seen()).uploads[file.name];
    const loaded = history.map((entry) => entry.loaded);
    assert.deepEqual(
      loaded,
      loaded.toSorted((a, b) => a - b),
      "progress never falls",
    );
    assert.equal(loaded.at(-1), size, "and ends byte-exact");
    assert.deepEqual(await download(page, file.name), { name: file.name, sha256: file.sha256 });
  });
}

test("a large file goes in parts, several at a time, each sent once", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("parts.bin", 6 * PART);
  stack.proxy.behave();
  let most = 0;
  stack.proxy.interfere(() => void (most = Math.max(most, stack.proxy.open)));
  await pick(page, file);
  await reaches(page, file.name, "available");

  const parts = stack.proxy.requests.filter(({ method }) => method === "PUT");
  assert.deepEqual(parts.map((part) => part.partNumber).toSorted(), [1, 2, 3, 4, 5, 6]);
  assert.ok(parts.every(({ status, bytes }) => status === 200 && bytes === PART));
  assert.ok(most > 1, "more than one request at a time");
  assert.ok(most <= 6, `never more than a browser's connections, but ${most}`);
});

test("two files at once both arrive", async (t) => {
  const page = await stack.openPage(t);
  const files = [await stack.file("one.bin", 2 * PART + 7), await stack.file("two.bin", 2 * PART + 9)];
  await pick(page, ...files);
  for (const { name } of files) await reaches(page, name, "available");
  for (const { name, sha256 } of files) assert.equal((await download(page, name)).sha256, sha256);
  await page.getByText("2 of 2 uploaded").waitFor();
});

const NAMES = [
  "naïve café.txt",
  "Отчёт за октябрь.pdf",
  "写真アルバム 京都.zip",
  "تقرير المبيعات.xlsx",
  "हिन्दी फ़ाइल.txt",
  "👩‍👩‍👧 family.png",
  "a b+c d.txt",
  "50% off.txt",
  "100%25.txt",
  "#hash?query&x=1;y.txt",
  `quotes "double" 'single' \`back\`.txt`,
  "<img src=x onerror=alert(1)>.html",
  "..leading dots",
  `${"long ".repeat(50)}x.txt`,
  `${"ж".repeat(125)}.txt!`,
];

test("names in any script and with any sign arrive as they are", async (t) => {
  assert.deepEqual(
    NAMES.slice(-2).map((name) => Buffer.byteLength(name)),
    [255, 255],
  );
  const page = await stack.openPage(t);
  const files = [];
  for (const name of NAMES) files.push(await stack.file(name, 1000 + files.length));
  await pick(page, ...files);
  for (const { name, sha256 } of files) {
    await reaches(page, name, "available");
    assert.equal(await uploadRow(page, name).locator("[data-part=name]").textContent(), name);
    assert.equal(await fileRow(page, name).locator("[data-part=name]").textContent(), name);
    assert.equal((await download(page, name)).sha256, sha256);
  }
  assert.equal(await page.locator("main img").count(), 0, "no name became markup");
});

test("a second window sees a file being uploaded, then available, without a reload", async (t) => {
  const sender = await stack.openPage(t);
  const watcher = await stack.openPage(t, { workspace: sender.workspace });
  const stranger = await stack.openPage(t);
  const file = await stack.file("shared.bin", 3 * PART);
  await pick(sender, file);
  await reaches(sender, file.name, "available");
  assert.equal((await download(watcher, file.name)).sha256, file.sha256);
  assert.deepEqual((await watcher.seen()).files[file.name], ["uploading", "available"]);
  assert.equal(await stranger.getByTestId("file").count(), 0, "another workspace sees nothing");
});
