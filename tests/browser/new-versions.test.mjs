// Files that the workspace has already, or an earlier version of, on the demo page: what is sent of them, and what a person sees.

import assert from "node:assert/strict";
import { copyFile, mkdtemp, open } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, test } from "node:test";
import { indexTold } from "./deltas-page.mjs";
import { fileRow, pick, reaches, sha256, uploadRow, until, useStack } from "./harness.mjs";

const MIB = 1024 * 1024;

const stack = useStack();

beforeEach(() => stack.proxy.behave());

test("of a new version the map shows what is copied and what is sent, in colours and in words", async (t) => {
  const page = await stack.openPage(t);
  const first = await openWithFirst(page);
  const next = await editedFile(first, 20);
  const parts = holdParts();
  const before = stack.proxy.bytesReceived;
  await pick(page, next);
  const row = uploadRow(page, next.name);
  await row.getByText(/^\d+ of \d+ parts stored · \d+ copied · [1-9]\d* in flight/).waitFor();
  await row.getByText(/^\d+\.\d MB copied$/).waitFor();
  const colours = await coloursOf(row);
  for (const state of ["copied", "in-flight"]) assert.ok(colours.includes(await legend(page, state)), state);
  assert.ok(!colours.includes(await legend(page, "stored")), `nothing is stored that was sent: ${colours}`);
  await until(
    async () => Number(await page.locator("#engine-inFlight").textContent()) > 0,
    "it is in flight",
  );
  parts.letGo();
  await reaches(page, next.name, "available");
  assert.ok(stack.proxy.bytesReceived - before <= 32 * MIB, "little was sent");
  await row.getByText(/^\d+\.\d MB copied$/).waitFor();

  const newest = fileRow(page, next.name).first();
  await newest.getByText("version 2", { exact: true }).waitFor();
  assert.equal(
    await fileRow(page, next.name)
      .last()
      .getByText(/^version/)
      .count(),
    0,
    "of the first none is told",
  );
  const [saved] = await Promise.all([page.waitForEvent("download"), newest.getByTestId("download").click()]);
  assert.equal(await sha256(await saved.path()), await sha256(next.path));
});

test("a file that is here already is said to be, and nothing of it is sent", async (t) => {
  const page = await stack.openPage(t);
  const first = await openWithFirst(page);
  const before = stack.proxy.bytesReceived;
  await pick(page, first);
  await reaches(page, first.name, "available");
  assert.equal(stack.proxy.bytesReceived, before);
  const row = uploadRow(page, first.name);
  await row.getByText("was here already", { exact: true }).waitFor();
  await page.locator("#language").selectOption("de");
  await row.getByText("war schon da", { exact: true }).waitFor();
});

test("of two new versions at once the later one is said to have another before it", async (t) => {
  const page = await stack.openPage(t);
  const first = await openWithFirst(page);
  const parts = holdParts();
  await pick(page, await editedFile(first, 10));
  await parts.held();
  const earlier = indexTold(page);
  await pick(page, await editedFile(first, 30));
  await earlier;
  const conflict = fileRow(page, first.name).getByText("Another new version came in between. Both are kept.");
  await fileRow(page, first.name).getByText("version 2", { exact: true }).waitFor();
  assert.deepEqual(await visible(conflict), [], "the one that was first is told nothing");
  parts.letGo();
  await until(async () => (await visible(conflict)).length === 1, "the later one is");
  await fileRow(page, first.name).getByText("version 3", { exact: true }).waitFor();
});

/** Uploads a file of 48 MiB, which the coordinator then knows the index of, and clears its row away. */
async function openWithFirst(page) {
  const file = await stack.file("report.bin", 48 * MIB);
  const told = indexTold(page);
  await pick(page, file);
  await reaches(page, file.name, "available");
  await told;
  await page.locator("#clear-finished").click();
  return file;
}

/** The same file under the same name, but for 1 MiB. */
async function editedFile({ path, name }, mebibyte) {
  const edited = join(await mkdtemp(join(stack.folder, "e-")), name);
  await copyFile(path, edited);
  const file = await open(edited, "r+");
  await file.write(Buffer.alloc(MIB, mebibyte), 0, MIB, mebibyte * MIB);
  await file.close();
  return { path: edited, name };
}

/** Has storage hold the parts of the next upload that sends some, until they are let go. */
function holdParts() {
  let letGo;
  const released = new Promise((resolve) => (letGo = resolve));
  let first;
  stack.proxy.interfere(({ key, partNumber }) => {
    if (!partNumber || key !== (first ??= key)) return undefined;
    return { kind: "hold", until: released };
  });
  return { letGo, held: () => until(() => first, "a part is on its way") };
}

/** The colours that are on the row's map. */
function coloursOf(row) {
  return row.locator("canvas").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (let at = 0; at < data.length; at += 4)
      if (data[at + 3] === 255) colours.add(data.slice(at, at + 3).join(", "));
    return [...colours];
  });
}

function legend(page, state) {
  return page
    .locator(`.legend .${state}`)
    .evaluate((swatch) => /\d.*\d/.exec(getComputedStyle(swatch).color)[0]);
}

async function visible(locator) {
  const all = await locator.all();
  const shown = await Promise.all(all.map((one) => one.isVisible()));
  return all.filter((_, place) => shown[place]);
}
