// Downloads in ranges: what arrives is what was uploaded, whatever happens on the way.

import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { until, useStack } from "./harness.mjs";
import { equip, openPackage } from "./package-page.mjs";

const MIB = 1024 * 1024;
const RANGE = 8 * MIB;
const SIZE = 40 * MIB + 7;
const RANGES = 6;

const stack = useStack();

beforeEach(() => stack.proxy.behave());

/** A page with a file of the workspace: `{page, fileId, key, sha256}`. */
async function openWithFile(t, size = SIZE) {
  const page = await openPackage(stack, t);
  await page.evaluate(provide);
  const { fileId, sha256 } = await page.evaluate((size) => uploadNoise(size), size);
  const { key } = stack.proxy.storedPuts.at(-1) ?? {};
  stack.proxy.behave();
  return { page, fileId, key, sha256 };
}

/** What the tests call in the page. */
async function provide() {
  const { Workspace } = await import("/uploader/files.js");
  globalThis.makeWorkspace = async (options) =>
    new Workspace({ endpoint: location.origin, token: await guestToken(), ...options });
  globalThis.hashOf = async (blob) => {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
    return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  globalThis.uploadNoise = async (size) => {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
    const file = new File([bytes], "noise.txt", { type: "text/plain" });
    const uploader = await makeUploader();
    const { fileId } = await uploader.upload(file).done;
    await uploader.close();
    return { fileId, sha256: await hashOf(file) };
  };
  /** Begins a download, whose events and end are kept. */
  globalThis.begin = async (fileId, options, workspaceOptions) => {
    const download = (await makeWorkspace(workspaceOptions)).download(fileId, {
      retry: { baseDelay: 20, maxDelay: 100 },
      ...options,
    });
    globalThis.told = [];
    download.addEventListener("progress", ({ detail }) => told.push(detail));
    globalThis.live = download;
    return download;
  };
  /** How a download ended. */
  globalThis.endOf = async (download) => {
    try {
      const file = await download.done;
      return { name: file.name, type: file.type, size: file.size, sha256: await hashOf(file) };
    } catch ({ code, message, retryable, status }) {
      return { code, message, retryable, status };
    }
  };
  /** The files of the folder that downloads lie in. */
  globalThis.kept = async () => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle("syncsphere-uploader-downloads", { create: true });
    const names = [];
    for await (const name of folder.keys()) names.push(name);
    return names;
  };
}

/** Downloads it to its end. */
function download(page, fileId, options) {
  return page.evaluate(async ([fileId, options]) => endOf(await begin(fileId, options)), [fileId, options]);
}

/** The ranges that storage gave. */
function fetched() {
  return stack.proxy.requests.filter(({ method, status }) => method === "GET" && status === 206);
}

function rangeOf(index, size = SIZE) {
  return `bytes=${index * RANGE}-${Math.min((index + 1) * RANGE, size) - 1}`;
}

test("a file comes in ranges, as it was, and again without asking storage", async (t) => {
  const { page, fileId, sha256 } = await openWithFile(t);
  const got = await download(page, fileId);
  assert.deepEqual(got, { name: "noise.txt", type: "text/plain", size: SIZE, sha256 });
  const told = await page.evaluate(() => told);
  assert.deepEqual(told.at(-1), { loaded: SIZE, total: SIZE, copied: 0 });
  assert.ok(told.some(({ loaded }) => loaded > 0 && loaded < SIZE && loaded % RANGE !== 0));
  const expected = Array.from({ length: RANGES }, (_, index) => rangeOf(index));
  assert.deepEqual(
    fetched()
      .map(({ range }) => range)
      .toSorted(),
    expected.toSorted(),
  );

  stack.proxy.behave();
  assert.deepEqual(await download(page, fileId), got);
  assert.deepEqual(fetched(), []);
  assert.equal((await page.evaluate(() => kept())).length, 2);
  await page.evaluate(() => live.discard());
  assert.deepEqual(await page.evaluate(() => kept()), []);
});

test("no more ranges are under way than the page wishes", async (t) => {
  const { page, fileId, sha256 } = await openWithFile(t);
  let most = 0;
  stack.proxy.interfere(({ range }) => {
    if (range) most = Math.max(most, stack.proxy.open);
  });
  assert.equal((await download(page, fileId, { concurrency: 2 })).sha256, sha256);
  assert.equal(most, 2);
  const refusal = await page.evaluate(async () => {
    const workspace = await makeWorkspace();
    try {
      workspace.download("f", { concurrency: 17 });
    } catch (error) {
      return String(error);
    }
  });
  assert.equal(refusal, "TypeError: concurrency has to be 1 to 16");
});

test("what storage or the network spoil is fetched again", async (t) => {
  const { page, fileId, sha256 } = await openWithFile(t);
  stack.proxy.interfere(({ range, attempt }) => {
    if (attempt > 2) return;
    if (range === rangeOf(0)) return { kind: "answer", status: 503 };
    if (range === rangeOf(1)) return { kind: "reset" };
    if (range === rangeOf(2)) return { kind: "cut", afterBytes: 3 * MIB };
    if (range === rangeOf(3)) return { kind: "answer", status: 429 };
  });
  assert.equal((await download(page, fileId)).sha256, sha256);
  const attempts = stack.proxy.requests.filter(({ range }) => range === rangeOf(2));
  assert.deepEqual(
    attempts.map(({ status }) => status),
    [0, 0, 206],
  );
});

test("a damaged answer is never given as the file, and nothing is left of it", async (t) => {
  const { page, fileId, sha256 } = await openWithFile(t);
  stack.proxy.interfere(({ range }) =>
    range === rangeOf(4) ? { kind: "damage-answer", at: 5 * MIB } : undefined,
  );
  const { code, retryable } = await download(page, fileId);
  assert.deepEqual([code, retryable], ["checksum_mismatch", true]);
  assert.deepEqual(await page.evaluate(() => kept()), []);
  stack.proxy.behave();
  assert.equal((await download(page, fileId)).sha256, sha256);
});

test("a whole file in the place of a range is refused", async (t) => {
  const { page, fileId } = await openWithFile(t);
  stack.proxy.interfere(({ range }) => range && { kind: "answer", status: 200 });
  const { code, status, retryable } = await download(page, fileId);
  assert.deepEqual([code, status, retryable], ["storage_refused", 200, false]);
});

test("after a reload only what is missing is fetched", async (t) => {
  const { page, fileId, sha256 } = await openWithFile(t);
  const never = new Promise(() => {});
  const held = [rangeOf(2), rangeOf(5)];
  stack.proxy.interfere(({ range }) => (held.includes(range) ? { kind: "hold", until: never } : undefined));
  await page.evaluate((fileId) => begin(fileId), fileId);
  const finished = SIZE - RANGE - 7;
  await until(
    () => page.evaluate((n) => told.some(({ loaded }) => loaded >= n), finished - RANGE),
    "some are there",
  );
  await until(() => fetched().length === RANGES - 2, "all others are there");
  // What is noted follows what is on the disk.
  await until(
    () =>
      page.evaluate(async () => {
        const root = await navigator.storage.getDirectory();
        const folder = await root.getDirectoryHandle("syncsphere-uploader-downloads");
        const name = (await kept()).find((name) => name.endsWith(".json"));
        const text = await (await (await folder.getFileHandle(name)).getFile()).text();
        return text && JSON.parse(text).checksums.filter(Boolean).length === 4;
      }),
    "four ranges are noted",
  );
  await page.reload();
  await equip(page);
  await page.evaluate(provide);
  stack.proxy.behave();
  assert.equal((await download(page, fileId)).sha256, sha256);
  assert.deepEqual(
    fetched()
      .map(({ range }) => range)
      .toSorted(),
    held.toSorted(),
  );
  assert.equal(await page.evaluate(() => told[0].loaded), finished);
});

test("a link that has run out is replaced", async (t) => {
  const { page, fileId, sha256 } = await openWithFile(t);
  let dead;
  stack.proxy.interfere(({ range, attempt }) =>
    range && attempt === 1 ? { kind: "hold", until: (dead ??= untilDead(page)) } : undefined,
  );
  const end = await page.evaluate(async (fileId) => {
    globalThis.links = [];
    let asked = 0;
    const short = async (url, init) => {
      const isLink = url.endsWith("/content");
      const answer = await fetch(isLink && asked++ === 0 ? `${url}?expires=1` : url, init);
      if (isLink) links.push((await answer.clone().json()).url);
      return answer;
    };
    return endOf(await begin(fileId, {}, { fetch: short }));
  }, fileId);
  assert.equal(end.sha256, sha256);
  const refused = stack.proxy.requests.filter(({ range, status }) => range && status === 403);
  assert.equal(refused.length, 4);
  assert.equal(await page.evaluate(() => links.length), 2);
});

/** Storage itself says so. */
async function untilDead(page) {
  const url = new URL(await page.evaluate(() => links[0]));
  const direct = new URL(url.pathname + url.search, stack.s3.endpoint);
  const headers = { host: url.host };
  await until(() => isRefused(direct, headers), "the link has run out");
}

async function isRefused(url, headers) {
  const { request } = await import("node:http");
  const status = await new Promise((resolve, reject) => {
    const asked = request(url, { method: "GET", headers: { ...headers, range: "bytes=0-0" } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asked.on("error", reject);
    asked.end();
  });
  return status === 403;
}

test("a link that storage refuses always ends it", async (t) => {
  const { page, fileId } = await openWithFile(t);
  stack.proxy.interfere(({ range }) => range && { kind: "answer", status: 404 });
  const { code, status } = await download(page, fileId, { concurrency: 1 });
  assert.deepEqual([code, status], ["storage_refused", 404]);
  assert.equal(stack.proxy.requests.length, 2);
  const removed = await page.evaluate(async (fileId) => {
    await (await makeWorkspace()).deleteFile(fileId);
    return endOf(await begin(fileId));
  }, fileId);
  assert.equal(removed.code, "not_found");
});

test("an object that is replaced meanwhile is never mixed with what was there", async (t) => {
  const { page, fileId, key } = await openWithFile(t);
  let replaced;
  stack.proxy.interfere(({ range }) => {
    if (range !== rangeOf(5)) return undefined;
    replaced ??= replace(key, SIZE);
    return { kind: "hold", until: replaced };
  });
  const end = await download(page, fileId, { concurrency: 1 });
  assert.equal(end.code, "file_changed");
  assert.deepEqual(await page.evaluate(() => kept()), []);
  // Told by the size, and where the page may not see that, by the checksum.
  await replace(key, SIZE + 1);
  assert.equal((await download(page, fileId)).code, "file_changed");
  stack.proxy.interfere(() => ({ kind: "hide", headers: ["access-control-expose-headers"] }));
  assert.equal((await download(page, fileId)).code, "checksum_mismatch");
  await replace(key, 5);
  assert.equal((await download(page, fileId)).code, "file_changed");
});

async function replace(key, size) {
  const { bucket, client } = stack.s3;
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: new Uint8Array(size) }));
}

test("an abort keeps what is there for the next download; discarding it does not", async (t) => {
  const { page, fileId, sha256 } = await openWithFile(t);
  const never = new Promise(() => {});
  let isHeld = false;
  stack.proxy.interfere(({ range }) => {
    if (range !== rangeOf(5)) return undefined;
    isHeld = true;
    return { kind: "hold", until: never };
  });
  await page.evaluate((fileId) => begin(fileId, { concurrency: 1 }), fileId);
  await until(() => isHeld, "the last range is under way");
  const aborted = await page.evaluate(async () => {
    await live.abort(new Error("enough"));
    const { code, cause } = await live.done.catch((error) => error);
    return [code, cause.message, (await kept()).length];
  });
  assert.deepEqual(aborted, ["aborted", "enough", 2]);
  stack.proxy.behave();
  const left = await page.evaluate(async (fileId) => {
    const download = await begin(fileId);
    await new Promise((resolve) => download.addEventListener("progress", resolve, { once: true }));
    await download.discard();
    return kept();
  }, fileId);
  assert.deepEqual(left, []);
  stack.proxy.behave();
  assert.equal((await download(page, fileId)).sha256, sha256);
  assert.equal(fetched().length, RANGES);
});

test("an empty file, and one that is not there yet", async (t) => {
  const { page, fileId, sha256 } = await openWithFile(t, 0);
  assert.deepEqual(await download(page, fileId), { name: "noise.txt", type: "text/plain", size: 0, sha256 });
  const codes = await page.evaluate(async () => {
    const uploader = await makeUploader();
    const headers = { "content-type": "application/json", authorization: `Bearer ${await guestToken()}` };
    const body = JSON.stringify({ files: [{ clientRef: "f", name: "open.bin", size: 9 }] });
    const reply = await (await fetch("/v1/uploads", { method: "POST", headers, body })).json();
    await uploader.close();
    return Promise.all(
      [reply.uploads[0].fileId, "nobody"].map(async (id) => (await endOf(await begin(id))).code),
    );
  });
  assert.deepEqual(codes, ["conflict", "not_found"]);
});

test("two tabs do not write the same download at once", async (t) => {
  const { page, fileId, sha256 } = await openWithFile(t);
  let release;
  const held = new Promise((resolve) => (release = resolve));
  stack.proxy.interfere(({ range }) => (range === rangeOf(0) ? { kind: "hold", until: held } : undefined));
  await page.evaluate((fileId) => begin(fileId), fileId);
  await until(() => page.evaluate(() => told.length > 0), "it is under way");
  const other = await page.context().newPage();
  await other.goto(page.url());
  await equip(other);
  await other.evaluate(provide);
  const { code, retryable } = await download(other, fileId);
  assert.deepEqual([code, retryable], ["conflict", true]);
  const refused = await other.evaluate(async (fileId) => {
    const code = (error) => error.code;
    const download = await begin(fileId);
    return download.discard().catch(code);
  }, fileId);
  assert.equal(refused, "conflict");
  release();
  const end = await page.evaluate(() => endOf(live));
  assert.equal(end.sha256, sha256);
  stack.proxy.behave();
  assert.equal((await download(other, fileId)).sha256, sha256);
  assert.deepEqual(fetched(), []);
});

test("a handle of the private file system is written in place, and what another file left there is not trusted", async (t) => {
  const { page, fileId, sha256 } = await openWithFile(t);
  const second = await page.evaluate((size) => uploadNoise(size), SIZE);
  const ends = await page.evaluate(
    async (ids) => {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle("mine", { create: true });
      const to = await folder.getFileHandle("own name.bin", { create: true });
      const ends = [];
      for (const id of ids) ends.push(await endOf(await begin(id, { to })));
      await live.discard();
      const names = [];
      for await (const name of folder.keys()) names.push(name);
      return [...ends.map(({ name, sha256 }) => [name, sha256]), names];
    },
    [fileId, second.fileId, fileId],
  );
  const name = "own name.bin";
  assert.deepEqual(ends, [[name, sha256], [name, second.sha256], [name, sha256], []]);
});

test("a picked file keeps what it had until the download is proven", async (t) => {
  const { page, fileId, sha256 } = await openWithFile(t);
  const run = () =>
    page.evaluate(async (fileId) => {
      const root = await navigator.storage.getDirectory();
      const to = await root.getFileHandle("picked.bin", { create: true });
      if ((await to.getFile()).size === 0) {
        const out = await to.createWritable();
        await out.write("old");
        await out.close();
      }
      // Where a person picks a file, it is none of the private file system.
      FileSystemDirectoryHandle.prototype.resolve = async () => null;
      const { code, sha256 } = await endOf(await begin(fileId, { to }));
      const file = await to.getFile();
      return {
        code,
        sha256,
        has: file.size < 9 ? await file.text() : await hashOf(file),
        kept: await kept(),
      };
    }, fileId);
  stack.proxy.interfere(({ range }) => (range === rangeOf(1) ? { kind: "damage-answer", at: 1 } : undefined));
  assert.deepEqual(await run(), { code: "checksum_mismatch", sha256: undefined, has: "old", kept: [] });
  stack.proxy.behave();
  assert.deepEqual(await run(), { code: undefined, sha256, has: sha256, kept: [] });
});

test("where there is no private file system, or no room in it, the error says so", async (t) => {
  const { page, fileId } = await openWithFile(t);
  const script = await (await fetch(`${stack.url}/uploader/download-worker.js`)).text();
  const full = `FileSystemSyncAccessHandle.prototype.truncate = () => {
    throw new DOMException("no room", "QuotaExceededError");
  };`;
  await page.route("**/uploader/download-worker.js", (route) =>
    route.fulfill({ contentType: "text/javascript", body: full + script }),
  );
  const { code, message } = await download(page, fileId);
  assert.equal(code, "file_unreadable");
  assert.equal(message, "no room for the download: the disk is full or the browser's quota is used up");
  const missing = await page.evaluate(async (fileId) => {
    navigator.storage.getDirectory = () => Promise.reject(new DOMException("no", "SecurityError"));
    return (await endOf(await begin(fileId))).code;
  }, fileId);
  assert.equal(missing, "unsupported");
});

test("a worker that cannot be loaded, or crashes, ends the download", async (t) => {
  const { page, fileId, sha256 } = await openWithFile(t);
  const script = await (await fetch(`${stack.url}/uploader/download-worker.js`)).text();
  const crash = `addEventListener("message", ({ data }) => {
    if (data.type === "range") setTimeout(() => { throw new Error("crash"); });
  });`;
  const contentType = "text/javascript";
  for (const answer of [{ status: 404 }, { contentType, body: `${script}\n${crash}` }]) {
    await page.route("**/uploader/download-worker.js", (route) => route.fulfill(answer));
    const { code, retryable } = await download(page, fileId);
    assert.deepEqual([code, retryable], ["worker_failed", true]);
    await page.unrouteAll();
  }
  assert.equal((await download(page, fileId)).sha256, sha256);
});
