// Only what changed travels: files that storage has, or has most of, in real storage.

import assert from "node:assert/strict";
import { open } from "node:fs/promises";
import test, { beforeEach } from "node:test";
import {
  freed,
  indexTold,
  openDeltas,
  openUploads,
  openWithFirst as openPageWithFirst,
  pathsOf,
  refuseCopies,
  uploadNext as uploadNextVersion,
} from "./deltas-page.mjs";
import { until, useStack } from "./harness.mjs";

const MIB = 1024 * 1024;

/** The longest chunk. Source: docs/api.md, "Only what changed", level 0. */
const MOST = 16 * MIB;

const stack = useStack();

beforeEach(() => stack.proxy.behave());

const openWithFirst = (...rest) => openPageWithFirst(stack, ...rest);
const uploadNext = (...rest) => uploadNextVersion(stack, ...rest);

/** A page that has uploaded a file; without `deltas` the coordinator knows no index, and the engine uploads the next version. */
async function openWithUploaded(t, deltas) {
  if (deltas) return openWithFirst(t, 40);
  const page = await openDeltas(stack, t);
  const record = await page.evaluate(async () => {
    globalThis.first = noise(40 * MIB);
    return (await uploadPieces([first], "big.bin", {}, { deltas: false })).record;
  });
  return { page, record };
}

/** A late part may be sent once more, by the engine. */
function assertSentWhole({ sent }, size) {
  assert.ok(sent >= size, `${sent} bytes of ${size} were sent`);
}

/** 1 MiB in the middle is another. */
const CHANGED = "[first.slice(0, 20 * MIB), noise(MIB), first.slice(21 * MIB)]";

test("a file that was uploaded before is not sent again, whatever it is called", async (t) => {
  const { page, record: first } = await openWithFirst(t, 40);
  const seen = pathsOf(page);
  const found = await uploadNext(page, "[first]", { name: "again.bin", options: { path: "copies" } });
  assert.equal(found.sent, 0);
  assert.deepEqual(
    seen.filter((path) => path.startsWith("/v1/uploads")),
    [],
    "nothing is copied either",
  );
  assert.deepEqual([found.record.status, found.record.name], ["available", "again.bin"]);
  assert.deepEqual([found.record.path, found.isExact], ["copies", true]);
  assert.notEqual(found.record.fileId, first.fileId);
  assert.equal(found.record.previous, undefined, "another name makes no version");
  const { loaded, total, copied, skipped } = found.progress.at(-1);
  assert.deepEqual([loaded, total, copied], [40 * MIB, 40 * MIB, 40 * MIB]);
  assert.equal(skipped, 40 * MIB);
  assert.deepEqual(found.parts.at(-1).states, [4]);
  assert.deepEqual(found.parts.at(-1).sizes, [40 * MIB]);
  await page.waitForFunction(() => told.activity.at(-1)?.deltas?.skipped === 40 * MIB);
});

test("of a file that changed in one place, that place is sent, and it is the next version", async (t) => {
  const { page, record: first } = await openWithFirst(t, 64);
  const told = indexTold(page);
  const found = await uploadNext(page, CHANGED);
  assert.ok(found.isExact, "it is the changed file");
  assert.ok(found.sent > 0 && found.sent <= 2 * MOST, `${found.sent} bytes were sent`);
  assert.deepEqual([found.record.previous, found.record.version], [first.fileId, 2]);
  const { loaded, copied, skipped } = found.progress.at(-1);
  assert.equal(skipped, undefined);
  assert.deepEqual([loaded, copied], [64 * MIB, 64 * MIB - found.sent]);
  assert.deepEqual(found.states, ["uploading", "completing", "available"]);
  assert.deepEqual(found.conflicts, []);
  // Its own index is known, too.
  await told;
  const again = await uploadNext(page, CHANGED.replace("first.slice(0, 20 * MIB)", "noise(MIB)"));
  assert.ok(again.isExact);
});

test("parts are told as they wait, are copied and are sent, and the activity counts them", async (t) => {
  const { page } = await openWithFirst(t, 40);
  let release;
  const released = new Promise((resolve) => (release = resolve));
  t.after(() => release());
  stack.proxy.interfere(({ partNumber }) => (partNumber ? { kind: "hold", until: released } : undefined));
  const ended = uploadNext(page, CHANGED);
  await page.waitForFunction(() => {
    const states = told.parts.at(-1)?.states ?? [];
    return (
      states.includes(1) && states.includes(4) && told.activity.some(({ deltas }) => deltas?.sending > 0)
    );
  });
  release();
  const { parts, activity, sent, size, isExact } = await ended;
  assert.ok(isExact);
  const last = parts.at(-1);
  assert.equal(last.state, "completing", "the last comes before the end");
  assert.ok(parts.every(({ sizes, states }) => sizes.length === states.length));
  assert.deepEqual([sum(last.sizes), last.sizes[0]], [size, last.partSize]);
  const bytesOf = (state) => sum(last.sizes.filter((_, place) => last.states[place] === state));
  assert.deepEqual([bytesOf(3), bytesOf(4)], [sent, size - sent]);
  const { deltas, window } = activity.at(-1);
  assert.deepEqual(deltas, { sending: 0, copying: 0, sent, copied: size - sent, skipped: 0 });
  assert.equal(typeof window, "number", "with the engine's own figures");
  assert.ok(activity.some(({ deltas }) => deltas?.sending > 0));
});

test("a part that a pause takes from its way waits again", async (t) => {
  const { page } = await openWithFirst(t, 40);
  const parts = holdParts();
  const ended = uploadNext(page, CHANGED);
  await parts.held();
  await page.waitForFunction(() => told.parts.at(-1)?.states.includes(1));
  await page.evaluate(() => task.pause());
  await page.waitForFunction(() => !told.parts.at(-1).states.includes(1));
  await page.evaluate(() => task.resume());
  assert.ok((await ended).isExact);
});

test("nothing is told of parts where nobody listens any more", async (t) => {
  const { page } = await openWithFirst(t, 40);
  const parts = holdParts();
  const told = await Promise.all([
    page.evaluate(async () => {
      const uploader = await makeDeltas();
      globalThis.task = uploader.upload(new File([first, noise(MIB)], "big.bin"));
      let told = 0;
      const listener = () => (told += 1);
      task.addEventListener("parts", listener);
      while (told === 0) await pause(20);
      task.removeEventListener("parts", listener);
      const receive = task.receive.bind(task);
      let after = 0;
      task.receive = (message, ...rest) => {
        after += message.type === "parts";
        receive(message, ...rest);
      };
      globalThis.left = true;
      await task.done;
      return after;
    }),
    (async () => {
      await parts.held();
      await page.waitForFunction(() => globalThis.left);
      await page.evaluate(() => task.pause());
      await page.evaluate(() => task.resume());
    })(),
  ]);
  assert.equal(told[0], 0);
});

test("what is inserted at the front moves nothing else to storage", async (t) => {
  const { page } = await openWithFirst(t, 64);
  const found = await uploadNext(page, "[noise(MIB), first]");
  assert.ok(found.isExact);
  assert.ok(found.sent <= 3 * MOST, `${found.sent} bytes were sent`);
});

test("of a file that grew, and of one that shrank, only the end is sent", async (t) => {
  const { page } = await openWithFirst(t, 64);
  const grown = await uploadNext(page, "[first, noise(3 * MIB)]");
  assert.ok(grown.isExact);
  assert.ok(grown.sent <= 2 * MOST, `${grown.sent} bytes were sent`);
  const shrunk = await uploadNext(page, "[first.slice(0, 50 * MIB)]");
  assert.ok(shrunk.isExact);
  assert.ok(shrunk.sent <= 2 * MOST, `${shrunk.sent} bytes were sent`);
});

test("a file that there is nothing to take from is neither read nor asked about twice", async (t) => {
  const page = await openDeltas(stack, t);
  const seen = [];
  page.on("request", (request) => seen.push(`${request.method()} ${new URL(request.url()).pathname}`));
  await page.evaluate(() => (globalThis.first = noise(20 * MIB)));
  const found = await uploadNext(page, "[first]");
  assert.ok(found.isExact);
  assertSentWhole(found, 20 * MIB);
  const own = seen.filter((line) => /\/v1\/(files|uploads)/.test(line));
  assert.equal(own[0], "POST /v1/files/bases");
  assert.equal(own.filter((line) => line === "POST /v1/files/bases").length, 1);
  const hashed = seen.findIndex((line) => line.endsWith("/delta-worker.js"));
  const opened = seen.indexOf("POST /v1/uploads");
  assert.ok(opened >= 0 && (hashed < 0 || hashed > opened), "it is read again only once it is there");
});

test("a small file, and one without the option, are uploaded as ever", async (t) => {
  const page = await openDeltas(stack, t);
  const seen = pathsOf(page);
  const small = await uploadNext(page, "[noise(15 * MIB)]");
  const plain = await uploadNext(page, "[noise(20 * MIB)]", { uploaderOptions: { deltas: false } });
  assert.deepEqual([small.isExact, plain.isExact], [true, true]);
  assert.deepEqual(
    seen.filter((path) => /deltas\.js|delta-worker|bases/.test(path)),
    [],
  );
});

test("a coordinator that knows nothing of it gets whole files", async (t) => {
  const { page, record: first } = await openWithFirst(t, 20);
  await page.route("**/v1/files/bases", (route) => route.fulfill({ status: 405, body: "" }));
  const found = await uploadNext(page, CHANGED.replaceAll("20", "10").replaceAll("21", "11"));
  assert.ok(found.isExact);
  assertSentWhole(found, 20 * MIB);
  assert.equal(found.record.previous, undefined);
  await page.unroute("**/v1/files/bases");
  const named = await uploadNext(page, "[noise(MIB)]", { options: { base: first.fileId } });
  assert.deepEqual([named.isExact, named.record.previous], [true, first.fileId], "the engine names the base");
});

test("what storage does not copy is sent", async (t) => {
  const { page } = await openWithFirst(t, 40);
  // It may have no time: it is asked again, as often as that is worth it.
  const asked = await refuseCopies(page, { status: 502 });
  const found = await uploadNext(page, CHANGED);
  assert.ok(asked.length > 0);
  assert.ok(found.isExact);
  assertSentWhole(found, 40 * MIB);
  assert.equal(found.progress.at(-1).copied, 0);
});

test("a copy that is not what the index says is sent instead", async (t) => {
  const { page } = await openWithFirst(t, 40);
  await page.route("**/copies", async (route) => {
    const answer = await (await route.fetch()).json();
    for (const part of answer.parts) part.crc64nvme = "AAAAAAAAAAA=";
    await route.fulfill({ contentType: "application/json", body: JSON.stringify(answer) });
  });
  const found = await uploadNext(page, CHANGED);
  assert.ok(found.isExact);
  assertSentWhole(found, 40 * MIB);
});

test("a file that is edited while it is sent fails, and storage keeps nothing of it", async (t) => {
  const page = await openDeltas(stack, t);
  const file = await stack.file("edited.bin", 40 * MIB);
  await page.locator("#own-input").setInputFiles(file.path);
  const upload = async () =>
    page.evaluate(async () => {
      const [file] = document.querySelector("#own-input").files;
      const uploader = await makeDeltas();
      globalThis.task = uploader.upload(file);
      const { code } = await task.done.catch((error) => error);
      return code;
    });
  const told = indexTold(page);
  assert.equal(await upload(), undefined);
  await told;
  const edit = async (at, content = 1) => {
    const disk = await open(file.path, "r+");
    await disk.write(Buffer.alloc(MIB, content), 0, MIB, at * MIB);
    await disk.close();
  };
  await edit(20);
  await page.locator("#own-input").setInputFiles(file.path);
  await page.route("**/v1/uploads", async (route) => {
    const response = await route.fetch();
    await edit(20, 2);
    await route.fulfill({ response });
  });
  assert.equal(await upload(), "file_changed");
  await freed(stack);
});

test("an abort in the middle frees what storage has", async (t) => {
  const { page } = await openWithFirst(t, 40);
  const parts = holdParts();
  const ended = uploadNext(page, CHANGED);
  await parts.held();
  assert.equal((await openUploads(stack)).length, 1);
  await page.evaluate(() => task.abort());
  const { code, states } = await ended;
  assert.equal(code, "aborted");
  assert.equal(states.at(-1), "aborted");
  await freed(stack);
});

test("a pause gives up what is on its way, which is sent afterwards", async (t) => {
  const { page } = await openWithFirst(t, 40);
  const parts = holdParts();
  const ended = uploadNext(page, CHANGED);
  await parts.held();
  await page.evaluate(() => task.pause());
  await page.waitForFunction(() => task.state === "paused");
  await page.evaluate(() => task.resume());
  const found = await ended;
  assert.ok(found.isExact);
  assert.ok(found.states.includes("paused"));
});

test("uploads that are paused keep no others back", async (t) => {
  const { page, record: first } = await openWithFirst(t, 40);
  let held = 0;
  stack.proxy.interfere(({ key, partNumber }) => {
    if (!partNumber || !key.includes("paused")) return undefined;
    held += 1;
    return { kind: "hold", until: new Promise(() => {}) };
  });
  for (const name of ["paused-1.bin", "paused-2.bin"]) {
    const before = held;
    await page.evaluate(
      async ([name, base]) => {
        globalThis.paused ??= [];
        const uploader = await makeDeltas();
        const pieces = [first.slice(0, 20 * MIB), noise(MIB), first.slice(21 * MIB)];
        paused.push(uploader.upload(new File(pieces, name), { base }));
      },
      [name, first.fileId],
    );
    await until(() => held > before, "a part is on its way");
    await page.evaluate(() => paused.at(-1).pause());
  }
  const found = await uploadNext(page, CHANGED);
  assert.ok(found.isExact, found.message);
  assert.ok(found.progress.at(-1).copied > 0, "it went as the others");
  await page.evaluate(() => Promise.all(paused.map((task) => task.abort())));
});

test("storage that is away in the middle is waited for", async (t) => {
  const { page } = await openWithFirst(t, 40);
  await page.route("**/v1/uploads", async (route) => {
    const response = await route.fetch();
    await stack.s3.halt();
    await route.fulfill({ response });
  });
  const ended = uploadNext(page, CHANGED);
  await page.waitForFunction(() => globalThis.task?.state === "offline");
  await stack.s3.resume();
  const found = await ended;
  assert.ok(found.isExact, found.message);
  assert.ok(found.states.includes("offline"));
  assert.ok(found.sent < 40 * MIB);
});

test("an upload that is gone in the middle begins anew", async (t) => {
  const { page } = await openWithFirst(t, 40);
  const headers = await page.evaluate(async () => ({ authorization: `Bearer ${await ownToken()}` }));
  let begun = 0;
  await page.route("**/v1/uploads", async (route) => {
    const response = await route.fetch();
    begun += 1;
    const [{ uploadId }] = (await response.json()).uploads;
    if (begun === 1) await fetch(`${stack.url}/v1/uploads/${uploadId}`, { method: "DELETE", headers });
    await route.fulfill({ response });
  });
  const found = await uploadNext(page, CHANGED);
  assert.ok(found.isExact, found.message);
  assert.equal(begun, 2);
  assert.ok(found.progress.at(-1).copied > 0, "it is copied again");
});

test("a base is taken by its id, whatever it is called", async (t) => {
  const { page, record: first } = await openWithFirst(t, 40);
  const options = { base: first.fileId, path: "elsewhere" };
  const found = await uploadNext(page, CHANGED, {
    name: "other.bin",
    options,
    uploaderOptions: { deltas: false },
  });
  assert.ok(found.isExact);
  assert.ok(found.sent <= 2 * MOST, `${found.sent} bytes were sent`);
  assert.deepEqual([found.record.previous, found.record.name], [first.fileId, "other.bin"]);
  const unknown = await uploadNext(page, "[noise(20 * MIB)]", { options: { base: "nobody" } });
  assert.equal(unknown.code, "not_found");
});

test("a base that nobody named and that goes before the upload begins is done without", async (t) => {
  for (const deltas of [false, true]) {
    const { page, record: first } = await openWithUploaded(t, deltas);
    const headers = await page.evaluate(async () => ({ authorization: `Bearer ${await ownToken()}` }));
    let isDeleted = false;
    await page.route("**/v1/uploads", async (route) => {
      const { status } = await fetch(`${stack.url}/v1/files/${first.fileId}`, { method: "DELETE", headers });
      isDeleted = status === 200;
      await route.continue();
    });
    const found = await uploadNext(page, CHANGED);
    assert.ok(isDeleted);
    assert.ok(found.isExact, `${found.code}: ${found.message}`);
    assert.equal(found.record.previous, undefined);
    await page.unroute("**/v1/uploads");
    const named = await uploadNext(page, "[noise(MIB)]", { options: { base: first.fileId } });
    assert.equal(named.code, "not_found", "one that the page names has to be there");
  }
});

test("two next versions of one file are both kept, and the later one is told of the other", async (t) => {
  const { page, record: first } = await openWithFirst(t, 40);
  const options = { base: first.fileId };
  const one = await uploadNext(page, CHANGED, { options });
  const other = await uploadNext(page, CHANGED, { options });
  assert.deepEqual([one.conflicts, other.conflicts], [[], [one.record.fileId]]);
  const whole = await uploadNext(page, "[noise(MIB)]", { options });
  assert.deepEqual(whole.conflicts, [other.record.fileId], "also where it goes as a whole");
});

function sum(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0);
}

/** Has storage never answer the first request for a part; tells when there is one. */
function holdParts() {
  let count = 0;
  stack.proxy.interfere(({ partNumber, attempt }) => {
    if (!partNumber || attempt > 1) return undefined;
    count += 1;
    return { kind: "hold", until: new Promise(() => {}) };
  });
  return { held: () => until(() => count > 0, "a part is on its way") };
}
