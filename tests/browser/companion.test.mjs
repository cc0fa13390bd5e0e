// Pages that uploaded by Uppy and a Companion server, unmodified but for the address: both of its versions.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import { ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { build } from "esbuild";

import { until, useStack } from "./harness.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MIB = 1024 * 1024;
const COOKIE = "upload_token";
const LARGEST = 48 * MIB;

/** Uppy's versions: where a page finds each, and how each is told where Companion is. */
const VERSIONS = {
  6: { folder: ROOT, where: (companion) => ({ companionEndpoint: companion }) },
  5: { folder: `${ROOT}tests/fixtures/uppy5`, where: (companion) => ({ endpoint: companion }) },
};

/** The page's own origin, which is not the coordinator's. */
const site = createServer((request, response) => {
  const script = scripts[/^\/uppy(\d)\.js$/.exec(request.url)?.[1]];
  response.setHeader("content-type", script ? "text/javascript" : "text/html");
  response.end(script ?? html(request.url.slice(1)));
});
const scripts = {};
for (const version of Object.keys(VERSIONS)) scripts[version] = await bundle(version);
site.listen(0, "localhost");
await once(site, "listening");
const siteUrl = `http://localhost:${site.address().port}`;
after(() => {
  site.close();
  site.closeAllConnections();
});

const stack = useStack({
  vars: { ALLOWED_ORIGINS: siteUrl, COMPANION_COOKIE: COOKIE, MAX_FILE_SIZE: `${LARGEST}` },
});

beforeEach(() => {
  stack.proxy.behave();
  stack.proxy.shape();
});

for (const version of Object.keys(VERSIONS)) {
  test(`Uppy ${version} sends small, large and empty files by a token in the address`, async (t) => {
    const client = await guest();
    const page = await openPage(t, version);
    const files = [
      await stack.file("note 1+1.txt", 1000),
      await stack.file("film 100%.bin", 12 * MIB),
      await stack.file("empty.txt", 0),
    ];
    await makeUppy(page, version, await addressOf(client));
    await add(page, files);
    const { failed, successful } = await upload(page);
    assert.deepEqual([failed, successful.length], [[], 3]);
    for (const file of files) {
      const record = await reaches(client, file.name, "available");
      assert.deepEqual([record.size, record.metadata], [file.size, { album: "summer" }]);
      assert.equal(await contentHash(client, record), file.sha256);
      // Of a form version 5 knows only what its reply's headers say, and storage does not show where it has put it.
      if (version === "5" && file.size < MIB) continue;
      const told = successful.find(({ name }) => name === file.name);
      assert.equal(new URL(told.uploadURL).pathname.split("/")[3], record.fileId);
    }
  });

  test(`Uppy ${version} pauses and goes on where it was`, async (t) => {
    const client = await guest();
    const page = await openPage(t, version);
    const file = await stack.file("slow.bin", 40 * MIB);
    const lists = [];
    page.on("request", (request) => {
      if (request.method() === "GET" && /\/multipart\/[^/]+\?/.test(request.url())) lists.push(request.url());
    });
    await makeUppy(page, version, await addressOf(client));
    await add(page, [file]);
    stack.proxy.shape({ total: 4 * MIB });
    await page.evaluate(() => void (globalThis.outcome = uppy.upload()));
    await stored(10 * MIB);
    await page.evaluate(() => uppy.pauseAll());
    await until(() => stack.proxy.open === 0, "no request is open");
    const before = stack.proxy.requests.length;
    const there = stack.proxy.storedPuts.map(({ partNumber }) => partNumber);
    assert.ok(there.length >= 2 && there.length < 8, `${there.length} parts`);
    assert.equal((await filesOf(client))["slow.bin"].status, "uploading");
    stack.proxy.shape();
    await page.evaluate(() => uppy.resumeAll());
    const record = await reaches(client, "slow.bin", "available");
    await until(() => page.evaluate(() => uppy.getFiles()[0].progress.uploadComplete), "the page knows");
    assert.ok(lists.length > 0, "what is stored was asked for");
    const again = stack.proxy.requests.slice(before).map(({ partNumber }) => partNumber);
    assert.deepEqual(
      again.filter((number) => there.includes(number)),
      [],
      "what is stored is not sent again",
    );
    assert.equal(await contentHash(client, record), file.sha256);
  });

  test(`Uppy ${version} cancels, and nothing is left`, async (t) => {
    const client = await guest();
    const page = await openPage(t, version);
    await makeUppy(page, version, await addressOf(client));
    await add(page, [await stack.file("unwanted.bin", 40 * MIB)]);
    stack.proxy.shape({ total: 4 * MIB });
    await page.evaluate(() => void uppy.upload().catch(() => {}));
    await stored(5 * MIB);
    await page.evaluate(() => uppy.cancelAll());
    await reaches(client, "unwanted.bin", "aborted");
    stack.proxy.shape();
    await until(async () => (await held(client)) === 0, "storage holds nothing of it");
  });

  test(`Uppy ${version} hears that a file is too large`, async (t) => {
    const client = await guest();
    const page = await openPage(t, version);
    await makeUppy(page, version, await addressOf(client));
    await add(page, [await stack.file("large.bin", LARGEST + 1)]);
    const { failed, successful } = await upload(page);
    assert.deepEqual(successful, []);
    // Version 6 reads no reply's body.
    assert.match(failed[0].error, version === "5" ? /at most 50331648 bytes/ : /Companion request failed/);
    await reaches(client, "large.bin", "aborted");
    await until(async () => (await held(client)) === 0, "storage holds nothing of it");
  });

  test(`Uppy ${version} on the coordinator's own origin is let in by a cookie`, async (t) => {
    const client = await guest();
    const page = await openPage(t, version, stack.url);
    await page
      .context()
      .addCookies([{ name: COOKIE, value: client.token, url: stack.url, sameSite: "Strict" }]);
    await makeUppy(page, version, `${stack.url}/v1/companion`);
    const files = [await stack.file("note.txt", 10), await stack.file("film.bin", 6 * MIB)];
    await add(page, files);
    const { failed } = await upload(page);
    assert.deepEqual(failed, []);
    for (const file of files) {
      const record = await reaches(client, file.name, "available");
      assert.equal(await contentHash(client, record), file.sha256);
    }
  });
}

async function bundle(version) {
  const { outputFiles } = await build({
    stdin: {
      contents: `import AwsS3 from "@uppy/aws-s3";
        import Uppy from "@uppy/core";
        Object.assign(globalThis, { AwsS3, Uppy });`,
      resolveDir: VERSIONS[version].folder,
    },
    bundle: true,
    write: false,
    format: "esm",
    logLevel: "error",
  });
  return outputFiles[0].text;
}

function html(version) {
  return `<!doctype html><meta charset="utf-8" /><title>Uppy ${version}</title>
    <input type="file" id="files" multiple />
    <script type="module" src="/uppy${version}.js"></script>`;
}

/** A page with this version of Uppy: on an origin of its own, or on the coordinator's. */
async function openPage(t, version, origin = siteUrl) {
  const context = await stack.browser.newContext({ bypassCSP: true });
  const problems = [];
  t.after(async () => {
    await context.close();
    assert.deepEqual(problems, [], "errors on the page");
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => problems.push(error.stack));
  if (origin === siteUrl) {
    await page.goto(`${siteUrl}/${version}`);
  } else {
    // A document that the coordinator sent.
    await page.goto(`${origin}/healthz`);
    await page.setContent('<input type="file" id="files" multiple />');
    await page.addScriptTag({ content: scripts[version], type: "module" });
  }
  await until(() => page.evaluate(() => typeof Uppy === "function"), "Uppy is there");
  return page;
}

/** An Uppy as the page's maker set it up, but for where Companion is. */
function makeUppy(page, version, companion) {
  const where = VERSIONS[version].where(companion);
  return page.evaluate((where) => {
    globalThis.uppy = new Uppy({ meta: { album: "summer" } }).use(AwsS3, {
      ...where,
      shouldUseMultipart: (file) => file.size > 5 * 1024 * 1024,
      getChunkSize: () => 5 * 1024 * 1024,
      limit: 2,
    });
    globalThis.told = ({ successful, failed }) => ({
      successful: successful.map(({ name, uploadURL }) => ({ name, uploadURL })),
      failed: failed.map(({ name, error }) => ({ name, error: String(error) })),
    });
  }, where);
}

async function add(page, files) {
  await page.locator("#files").setInputFiles(files.map(({ path }) => path));
  await page.evaluate(() => {
    for (const file of document.querySelector("#files").files) {
      uppy.addFile({ name: file.name, type: file.type || "application/octet-stream", data: file });
    }
  });
}

function upload(page) {
  return page.evaluate(() => uppy.upload().then(globalThis.told));
}

/** Waits until storage has so many bytes of whole parts. */
function stored(bytes) {
  return until(() => {
    return stack.proxy.storedPuts.reduce((sum, { bytes }) => sum + bytes, 0) >= bytes;
  }, `${bytes} bytes are stored`);
}

async function guest() {
  const workspace = stack.workspace();
  const body = new URLSearchParams({ grant_type: "urn:syncsphere:guest", workspace });
  const reply = await fetch(`${stack.url}/v1/auth/token`, { method: "POST", body });
  return { workspace, token: (await reply.json()).access_token };
}

async function ask({ token }, path, method = "GET") {
  const headers = { authorization: `Bearer ${token}`, accept: "application/json" };
  const response = await fetch(stack.url + path, { method, headers });
  const json = await response.json();
  assert.equal(response.status, 200, JSON.stringify(json));
  return json;
}

/** `companionEndpoint` for somebody, as a page gets it with their token. */
async function addressOf(client) {
  return stack.url + (await ask(client, "/v1/companion/token", "POST")).path;
}

async function filesOf(client) {
  const { files } = await ask(client, "/v1/files?status=uploading,available,aborted,expired,deleted");
  return Object.fromEntries(files.map((file) => [file.name, file]));
}

/** Waits until the file of this name stands so. */
function reaches(client, name, status) {
  return until(async () => {
    const file = (await filesOf(client))[name];
    return file?.status === status && file;
  }, `${name} is ${status}`);
}

async function contentHash(client, { fileId }) {
  const { url } = await ask(client, `/v1/files/${fileId}/content`);
  const content = await (await fetch(url)).arrayBuffer();
  return createHash("sha256").update(Buffer.from(content)).digest("hex");
}

/** Objects and open uploads that storage holds of a workspace. */
async function held({ workspace }) {
  const { endpoint, region, accessKeyId, secretAccessKey, bucket } = stack.s3;
  const s3 = new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
  });
  const objects = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: `${workspace}/` }));
  const uploads = await s3.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: `${workspace}/` }));
  return (objects.KeyCount ?? 0) + (uploads.Uploads?.length ?? 0);
}
