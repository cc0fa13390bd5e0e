// What goes wrong on the way, and what a person does: nothing is lost, and nothing is sent for nothing.

import { rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { ListMultipartUploadsCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { download, fileRow, loads, pick, reaches, until, uploadRow, useStack } from "./harness.mjs";

const MIB = 1024 * 1024;
// Source: protocol/src/parts.rs, `default_part_size` for files of these sizes.
const PART = 16 * MIB;

const stack = useStack();

beforeEach(() => stack.proxy.behave());

test("a part that fails twice is sent a third time", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("third time.bin", 3 * PART + 5);
  const faults = {
    "2/1": { kind: "answer", status: 503, code: "SlowDown", afterBytes: 2 * MIB },
    "2/2": { kind: "reset", afterBytes: 3 * MIB },
    "3/1": { kind: "lose-answer" },
    "4/1": { kind: "answer", status: 503, cors: false },
    "4/2": { kind: "reset" },
  };
  stack.proxy.interfere(({ partNumber, attempt }) => faults[`${partNumber}/${attempt}`]);
  await pick(page, file);
  await reaches(page, file.name, "available");

  const { 1: first, 2: second, 3: third, 4: fourth } = attemptsByPart(stack.proxy);
  assert.deepEqual(
    { first, second, third, fourth },
    {
      first: [200],
      second: [503, 0, 200],
      third: [0, 200],
      fourth: [503, 0, 200],
    },
  );
  const loaded = (await page.seen()).uploads[file.name].map((entry) => entry.loaded);
  assert.deepEqual(
    loaded,
    loaded.toSorted((a, b) => a - b),
    "progress never falls",
  );
  assert.equal((await download(page, file.name)).sha256, file.sha256);
});

test("a small file's only request fails twice, and it arrives all the same", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("small.bin", 70_000);
  stack.proxy.interfere(({ method, attempt }) => {
    if (method !== "PUT" || attempt > 2) return undefined;
    return attempt === 1 ? { kind: "answer", status: 500, code: "InternalError" } : { kind: "reset" };
  });
  await pick(page, file);
  await reaches(page, file.name, "available");
  assert.equal((await download(page, file.name)).sha256, file.sha256);
});

test("an aborted upload leaves nothing in storage", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("unwanted.bin", 8 * PART);
  stack.proxy.shape({ total: 10 * MIB });
  await pick(page, file);
  await loads(page, file.name, 2 * PART);
  await uploadRow(page, file.name).getByTestId("abort").click();
  await reaches(page, file.name, "aborted");

  await fileRow(page, file.name).and(page.locator('[data-status="aborted"]')).waitFor();
  assert.equal(await fileRow(page, file.name).getByTestId("download").isVisible(), false);
  const Bucket = stack.s3.bucket;
  const ours = (name) => name.startsWith(`${page.workspace}/`);
  await until(async () => {
    const { Uploads = [] } = await stack.s3.client.send(new ListMultipartUploadsCommand({ Bucket }));
    return !Uploads.some(({ Key }) => ours(Key));
  }, "storage has forgotten the parts");
  const { Contents = [] } = await stack.s3.client.send(new ListObjectsV2Command({ Bucket }));
  assert.deepEqual(Contents.map(({ Key }) => Key).filter(ours), []);
  await until(() => stack.proxy.open === 0, "no request is open");
});

test("a paused upload sends nothing while another goes on, and then only what was missing", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("interrupted for lunch.bin", 8 * PART);
  const other = await stack.file("meanwhile.bin", 2 * PART);
  stack.proxy.shape({ total: 16 * MIB });
  await pick(page, file);
  await loads(page, file.name, 3 * PART);
  await uploadRow(page, file.name).getByTestId("pause").click();
  await reaches(page, file.name, "paused");
  await until(async () => {
    const seen = stack.proxy.bytesReceived;
    await delay(500); // what the proxy holds of a broken request is counted at the link's pace
    return stack.proxy.open === 0 && stack.proxy.bytesReceived === seen;
  }, "no request is open, and nothing more arrives");

  const before = stack.proxy.bytesReceived;
  await pick(page, other);
  await reaches(page, other.name, "available");
  assert.equal(stack.proxy.bytesReceived - before, other.size, "nothing was sent for the paused file");
  assert.equal(await uploadRow(page, file.name).getAttribute("data-state"), "paused");

  stack.proxy.shape();
  await uploadRow(page, file.name).getByTestId("resume").click();
  await reaches(page, file.name, "available");
  for (const [part, statuses] of Object.entries(attemptsByPart(stack.proxy, keyPart(file)))) {
    assert.equal(statuses.filter((status) => status === 200).length, 1, `part ${part} was stored once`);
  }
  assert.equal((await download(page, file.name)).sha256, file.sha256);
});

test("storage goes away in the middle and comes back", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("outage.bin", 8 * PART);
  stack.proxy.shape({ total: 20 * MIB, most: 5 * PART });
  await pick(page, file);
  await loads(page, file.name, 2 * PART);
  await stack.s3.halt();
  await reaches(page, file.name, "offline");
  await stack.s3.resume();
  stack.proxy.shape();
  await reaches(page, file.name, "available");
  assert.equal((await download(page, file.name)).sha256, file.sha256);
});

test("a page that was closed in the middle is continued by the next one", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("continued.bin", 8 * PART);
  stack.proxy.shape({ total: 16 * MIB, most: 7 * PART });
  await pick(page, file);
  await until(() => stored(stack.proxy).length >= 2, "two parts are stored");
  await page.reload();

  const left = page.getByTestId("interrupted");
  await left.waitFor();
  assert.equal(await left.getAttribute("data-name"), file.name);
  const before = stored(stack.proxy);
  stack.proxy.shape();
  await left.getByTestId("continue-file").setInputFiles(file.path);
  await reaches(page, file.name, "available");
  await left.waitFor({ state: "detached" });
  const again = stored(stack.proxy).slice(before.length);
  assert.equal(again.filter((part) => before.includes(part)).length, 0, "no stored part was sent again");
  assert.equal((await download(page, file.name)).sha256, file.sha256);
});

test("another file than the interrupted one is refused", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("original.bin", 6 * PART);
  stack.proxy.shape({ total: 16 * MIB });
  await pick(page, file);
  await until(() => stored(stack.proxy).length >= 1, "a part is stored");
  await page.reload();
  const left = page.getByTestId("interrupted");
  await left.waitFor();
  const impostor = await stack.file("original.bin", 6 * PART);
  await left.getByTestId("continue-file").setInputFiles(impostor.path);
  await page.getByText("(file_changed)").first().waitFor();
});

test("a file that is moved away in the middle is told in a sentence", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("moved away.bin", 12 * PART);
  let release;
  const moved = new Promise((resolve) => (release = resolve));
  stack.proxy.interfere(({ method }) => (method === "PUT" ? { kind: "hold", until: moved } : undefined));
  await pick(page, file);
  await until(() => stack.proxy.open > 0, "the first part is being sent");
  await rm(file.path);
  release();

  await reaches(page, file.name, "failed");
  const row = uploadRow(page, file.name);
  await row.getByText(/\((file_unreadable|file_changed)\)/).waitFor();
  await row.getByTestId("retry").waitFor();
  assert.equal(await row.getByTestId("pause").isVisible(), false);
});

/** Statuses of all PUTs, in order, by part; of one file where `key` is given. */
function attemptsByPart(proxy, key = "") {
  const byPart = {};
  for (const request of proxy.requests) {
    // One byte is no part, but a look at whether the way is free, before storage has ever answered.
    if (request.method !== "PUT" || !request.key.includes(key) || request.contentLength === 1) continue;
    (byPart[request.partNumber] ??= []).push(request.status);
  }
  return byPart;
}

/** Numbers of the parts that storage took, in that order. */
function stored(proxy) {
  return proxy.storedPuts.map((part) => part.partNumber);
}

/** What of a file's name is sure to be in its object's key. */
function keyPart({ name }) {
  return name.split(/[^a-z]/)[0];
}
