// Uppy, unmodified, on our coordinator: its Dashboard with our engine, and its own S3 uploaders.

import assert from "node:assert/strict";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import test, { beforeEach } from "node:test";
import { fileURLToPath } from "node:url";

import { ListMultipartUploadsCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { build } from "vite";

import { freePorts } from "../../stack/ports.mjs";
import { until, useStack } from "./harness.mjs";
import { BELOW, openWatched, usePublished } from "./published.mjs";
import { openUppy } from "./uppy-page.mjs";

const MIB = 1024 * 1024;
const EXAMPLE = fileURLToPath(new URL("../../examples/uppy", import.meta.url));
const UPPY = fileURLToPath(new URL("../../node_modules/@uppy", import.meta.url));

const [port] = await freePorts(1);
const published = usePublished(port);
const stack = useStack({ vars: { ALLOWED_ORIGINS: published.site } });

beforeEach(() => stack.proxy.behave());

test("the Dashboard uploads files through the plugin", async (t) => {
  const page = await openUppy(stack, t, "uppy6");
  const files = [
    await stack.file("film.bin", 24 * MIB),
    await stack.file("note.txt", 1000),
    await stack.file("empty.txt", 0),
  ];
  await showDashboard(page, { path: "raw" });
  await choose(page, files);
  await page.evaluate(() => {
    for (const { id, name } of uppy.getFiles())
      uppy.setFileMeta(id, { camera: "b", relativePath: `/2026/day/${name}` });
  });
  await page.getByRole("button", { name: "Upload 3 files" }).click();
  await page.getByText("Complete", { exact: true }).first().waitFor();

  const seen = await page.evaluate(async () => ({
    events: uppy.events,
    files: await Promise.all(
      uppy.getFiles().map(async ({ name, uploadURL, response, progress }) => ({
        name,
        uploadURL,
        status: response.status,
        record: response.body,
        stored: await lookUp(`/${response.body.fileId}`),
        sha256: await contentHash(response.body.fileId),
        isComplete: progress.uploadComplete,
      })),
    ),
    steps: uppy.progress.filter(([name]) => name === "film.bin").map(([, bytes]) => bytes),
  }));
  assert.deepEqual(seen.events.toSorted(), [
    "complete",
    "upload-start",
    "upload-success",
    "upload-success",
    "upload-success",
  ]);
  assert.deepEqual(
    seen.steps,
    seen.steps.toSorted((a, b) => a - b),
    "progress never falls",
  );
  assert.equal(seen.steps.at(-1), 24 * MIB);
  for (const file of files) {
    const { record, ...shown } = seen.files.find(({ name }) => name === file.name);
    assert.deepEqual(shown, {
      name: file.name,
      uploadURL: `${stack.url}/v1/files/${record.fileId}/content`,
      status: 200,
      stored: record,
      sha256: file.sha256,
      isComplete: true,
    });
    assert.equal(record.status, "available");
    assert.equal(record.path, "raw/2026/day");
    assert.deepEqual(record.metadata, { camera: "b" });
  }
});

test("the example, built from the packed package, uploads to another site under a strict policy", async (t) => {
  // Where an installation beside the package would be.
  await symlink(UPPY, join(published.folder, "node_modules/@uppy"));
  const outDir = join(published.folder, "uppy-built");
  process.env.VITE_ENDPOINT = stack.coordinator.url;
  await build({
    root: await published.project(EXAMPLE),
    base: BELOW,
    logLevel: "warn",
    configFile: false,
    build: { outDir, emptyOutDir: true },
  });
  published.serve(outDir, [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "img-src data:",
    "worker-src 'self'",
    `connect-src ${stack.coordinator.url} ${stack.proxy.endpoint} 'self'`,
  ]);
  const page = await openWatched(t, stack.browser, published.address);
  const file = await stack.file("film.bin", 17 * MIB);
  await page.locator("input.uppy-Dashboard-input").first().setInputFiles(file.path);
  await page.getByRole("button", { name: "Upload 1 file" }).click();
  await page
    .getByRole("status")
    .filter({ hasText: /^film\.bin is file [0-9a-f]{32}$/ })
    .waitFor();
});

test("the Dashboard's buttons pause and resume", async (t) => {
  const page = await openUppy(stack, t, "uppy6");
  const file = await stack.file("slow.bin", 60 * MIB);
  stack.proxy.shape({ total: 2 * MIB });
  await page.evaluate(async () => {
    const uploader = await makeUploader();
    const upload = uploader.upload.bind(uploader);
    uploader.upload = (...input) => (globalThis.task = upload(...input));
    globalThis.uppy = makeUppy()
      .use(Dashboard, { inline: true, target: "#uppy" })
      .use(SyncSphere, { uploader });
  });
  await choose(page, [file]);
  await page.getByRole("button", { name: "Upload 1 file" }).click();
  const reaches = (state) => page.waitForFunction((state) => task.state === state, state);

  for (const [pause, resume] of [
    ["Pause upload", "Resume upload"],
    ["Pause", "Resume"],
  ]) {
    await hasSent(page, 1);
    await page.getByRole("button", { name: pause, exact: true }).click();
    await reaches("paused");
    assert.equal(await page.evaluate(() => uppy.getFiles()[0].isPaused), true);
    await page.getByRole("button", { name: resume, exact: true }).click();
    await reaches("uploading");
  }
  stack.proxy.shape();
  await page.getByText("Complete", { exact: true }).first().waitFor();
  const sha256 = await page.evaluate(() => contentHash(uppy.getFiles()[0].response.body.fileId));
  assert.equal(sha256, file.sha256);
});

test("the Dashboard's cancel buttons free what storage holds", async (t) => {
  const page = await openUppy(stack, t, "uppy6");
  const files = [await stack.file("unwanted.bin", 40 * MIB), await stack.file("either.bin", 40 * MIB)];
  stack.proxy.shape({ total: 10 * MIB });
  await showDashboard(page);
  await choose(page, files);
  await page.getByRole("button", { name: "Upload 2 files" }).click();
  await hasSent(page, 6 * MIB);
  const item = page.locator(".uppy-Dashboard-Item").filter({ hasText: "unwanted.bin" });
  await item.getByRole("button", { name: /^(Remove|Cancel)/ }).click();
  await item.waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => uppy.getFiles().length), 1);
  await page.getByRole("button", { name: "Cancel", exact: true }).first().click();

  await until(async () => {
    const { files } = await page.evaluate(() => lookUp("?status=aborted"));
    return files.length === 2;
  }, "both are aborted");
  await until(async () => (await inStorage(page)).length === 0, "storage has forgotten the parts");
  await until(() => stack.proxy.open === 0, "no request is open");
});

test("an error is shown, and retrying cures it", async (t) => {
  const page = await openUppy(stack, t, "uppy6");
  const file = await stack.file("note.txt", 1000);
  await showDashboard(page);
  await choose(page, [file]);
  await page.evaluate(() => uppy.setFileMeta(uppy.getFiles()[0].id, { name: "no/name" }));
  await page.getByRole("button", { name: "Upload 1 file" }).click();
  await page.getByText("Upload failed").first().waitFor();
  const failed = await page.evaluate(() => ({ error: uppy.getFiles()[0].error, events: uppy.events }));
  assert.match(failed.error, /the file name/);
  assert.deepEqual(failed.events, ["upload-start", "upload-error", "complete"]);

  await page.evaluate(() => uppy.setFileMeta(uppy.getFiles()[0].id, { name: "name.txt" }));
  await page.getByRole("button", { name: "Retry upload" }).last().click();
  await page.getByText("Complete", { exact: true }).first().waitFor();
  const { name, status } = await page.evaluate(() => uppy.getFiles()[0].response.body);
  assert.deepEqual({ name, status }, { name: "name.txt", status: "available" });
});

for (const version of ["uppy5", "uppy6"]) {
  test(`the plugin works in ${version} without a user interface, with an uploader of the page's`, async (t) => {
    const page = await openUppy(stack, t, version);
    const seen = await page.evaluate(async () => {
      const uploader = await makeUploader();
      const { file, sha256 } = await makeFile("film.bin", 12 * 1024 * 1024);
      const options = { uploader, uploadURL: ({ name }) => `/of/${name}`, allowedMetaFields: ["kept"] };
      const uppy = makeUppy().use(SyncSphere, options);
      const { resumableUploads } = uppy.getState().capabilities;
      uppy.addFile({ name: file.name, data: file, meta: { kept: 1, dropped: 2 } });
      const { successful } = await uppy.upload();
      const [{ uploadURL, response }] = successful;
      uppy.destroy();
      const after = uploader.upload(new Blob(["still works"]));
      await after.done;
      await uploader.close();
      return {
        uploadURL,
        record: response.body,
        sha256,
        stored: await contentHash(response.body.fileId),
        resumableUploads,
      };
    });
    assert.equal(seen.record.status, "available");
    assert.deepEqual(seen.record.metadata, { kept: "1" });
    assert.equal(seen.uploadURL, "/of/film.bin");
    assert.equal(seen.stored, seen.sha256);
    assert.equal(seen.resumableUploads, true);
  });
}

test("what Uppy says of a file is stored with it: its type, and meta of several lines", async (t) => {
  const page = await openUppy(stack, t, "uppy6");
  const records = await page.evaluate(async () => {
    const uppy = makeUppy().use(SyncSphere, pluginOptions());
    const data = new File(["x"], "a.mkv", { type: "" });
    uppy.addFile({ name: "a.mkv", type: "video/x-matroska-3d", data, meta: { note: "two\nlines" } });
    uppy.addFile({ name: "b.mkv", data: new File(["y"], "b.mkv", { type: "" }) });
    uppy.addFile({ name: "c.heic", type: "application/octet-stream", data: new File(["z"], "c.heic") });
    const { successful } = await uppy.upload();
    return Promise.all(successful.map(({ response }) => lookUp(`/${response.body.fileId}`)));
  });
  assert.deepEqual(records.map(({ name, contentType }) => [name, contentType]).sort(), [
    ["a.mkv", "video/x-matroska-3d"],
    ["b.mkv", "video/x-matroska"],
    ["c.heic", "image/heic"],
  ]);
  assert.equal(records.find(({ name }) => name === "a.mkv").metadata.note, "two\nlines");
});

test("a retried file goes on where it was, as does one of Golden Retriever's; one that is removed is freed", async (t) => {
  const page = await openUppy(stack, t, "uppy6");
  const refuse = ({ partNumber }) =>
    partNumber === 3 ? { kind: "answer", status: 403, code: "AccessDenied" } : undefined;
  const states = (name) =>
    page.evaluate(
      async (name) => (await lookUp(`?name=${name}&status=uploading,available,aborted`)).files,
      name,
    );
  const sentParts = () => stack.proxy.storedPuts.map((one) => one.partNumber);
  await page.evaluate(async () => {
    globalThis.made = await makeFile("film.bin", 20 * 1024 * 1024);
    globalThis.uppy = makeUppy().use(SyncSphere, pluginOptions({ concurrency: 1 }));
    globalThis.add = (more) => uppy.addFile({ name: "film.bin", data: made.file, ...more });
  });
  const end = () =>
    page.evaluate(() => uppy.upload().then(({ failed, successful }) => [failed.length, successful.length]));

  stack.proxy.interfere(refuse);
  await page.evaluate(() => void add());
  assert.deepEqual(await end(), [1, 0]);
  const before = sentParts();
  assert.ok(before.length > 0 && !before.includes(3), `${before}`);
  stack.proxy.behave();
  await page.evaluate(() => uppy.retryAll());
  await until(
    async () => (await page.evaluate(() => uppy.getFiles()[0].progress.uploadComplete)) === true,
    "it is retried",
  );
  assert.deepEqual([...before, ...sentParts()].sort(), [1, 2, 3, 4], "nothing is sent twice");
  const [done, ...others] = await states("film.bin");
  assert.equal(others.length, 0);
  assert.equal(
    await page.evaluate((id) => contentHash(id), done.fileId),
    await page.evaluate(() => made.sha256),
  );

  // As Golden Retriever brings it back: another Uppy, another page in effect.
  stack.proxy.behave();
  stack.proxy.interfere(refuse);
  await page.evaluate(async () => {
    uppy.cancelAll();
    made = await makeFile("restored.bin", 20 * 1024 * 1024);
    uppy.addFile({ name: "restored.bin", data: made.file });
    await uppy.upload();
    const [file] = uppy.getFiles();
    globalThis.first = uppy;
    globalThis.uppy = makeUppy().use(SyncSphere, pluginOptions({ concurrency: 1 }));
    uppy.setState({
      files: { [file.id]: { ...file, error: null, isRestored: true } },
      currentUploads: { restored: { fileIDs: [file.id], step: 0, result: {} } },
    });
  });
  const earlier = sentParts();
  stack.proxy.behave();
  const { successful } = await page.evaluate(() => uppy.restore("restored"));
  assert.equal(successful.length, 1);
  assert.deepEqual([...earlier, ...sentParts()].sort(), [1, 2, 3, 4], "nothing is sent twice");
  assert.equal((await states("restored.bin")).length, 1);

  stack.proxy.interfere(refuse);
  await page.evaluate(async () => {
    uppy.cancelAll();
    made = await makeFile("removed.bin", 20 * 1024 * 1024);
    uppy.addFile({ name: "removed.bin", data: made.file });
    await uppy.upload();
    uppy.removeFile(uppy.getFiles()[0].id);
  });
  await until(async () => (await states("removed.bin"))[0]?.status === "aborted", "storage is freed");
});

test("Uppy 5's own uploader works with the callbacks", async (t) => {
  const page = await openUppy(stack, t, "uppy5");
  const signings = countRequests(page, "/parts");
  const seen = await page.evaluate(async () => {
    const uppy = makeUppy().use(AwsS3, uppyCallbacks(client({ partSize: 5 * 1024 * 1024, path: "raw" })));
    const hashes = {};
    for (const [name, size] of [
      ["film.bin", 83 * 1024 * 1024],
      ["note.txt", 1000],
      ["empty.txt", 0],
    ]) {
      const { file, sha256 } = await makeFile(name, size);
      hashes[name] = sha256;
      uppy.addFile({ name, type: file.type, data: file, meta: { camera: "b" } });
    }
    const { successful, failed } = await uppy.upload();
    return await Promise.all(
      successful.map(async ({ name, uploadURL, response: { body } }) => ({
        name,
        uploadURL,
        body,
        sha256: hashes[name],
        stored: await contentHash(body.fileId),
        failed: failed.map(({ error }) => error),
      })),
    );
  });
  assert.equal(seen.length, 3, JSON.stringify(seen.map(({ failed }) => failed)));
  for (const { name, uploadURL, body, sha256, stored } of seen) {
    assert.equal(stored, sha256, name);
    assert.equal(uploadURL, `${stack.url}/v1/files/${body.fileId}/content`);
    const { status, path, metadata, contentType } = body;
    assert.deepEqual(
      { status, name: body.name, path, metadata, contentType },
      { status: "available", name, path: "raw", metadata: { camera: "b" }, contentType: "text/plain" },
    );
  }
  assert.ok(signings.count <= 5, `${signings.count} requests for URLs of 17 parts`);
});

for (const [version, options] of [
  ["uppy5", "uppyCallbacks"],
  ["uppy6", "uppySigner"],
]) {
  test(`the uploader of ${version} itself pauses, resumes and cancels with ${options}`, async (t) => {
    const page = await openUppy(stack, t, version);
    stack.proxy.shape({ total: 5 * MIB });
    await page.evaluate(async (options) => {
      globalThis.uppy = makeUppy().use(AwsS3, globalThis[options](client({ partSize: 5 * 1024 * 1024 })));
      for (const name of ["kept.bin", "unwanted.bin"]) {
        const { file, sha256 } = await makeFile(name, 40 * 1024 * 1024);
        uppy.addFile({ name, data: file, meta: { sha256 } });
      }
      globalThis.uploaded = uppy.upload();
    }, options);
    await hasSent(page, 8 * MIB);
    await page.evaluate(() => uppy.pauseAll());
    await until(() => stack.proxy.open === 0, "nothing is on its way");
    await page.evaluate(() => {
      uppy.removeFile(uppy.getFiles().find(({ name }) => name === "unwanted.bin").id);
      uppy.resumeAll();
    });
    stack.proxy.shape();
    const [{ record, sha256, stored }] = await page.evaluate(async () => {
      const { successful } = await uploaded;
      return await Promise.all(
        successful.map(async ({ meta, response: { body } }) => {
          const fileId = body.fileId ?? body.key.split("/")[1];
          return {
            record: await lookUp(`/${fileId}`),
            sha256: meta.sha256,
            stored: await contentHash(fileId),
          };
        }),
      );
    });
    assert.equal(record.status, "available");
    assert.equal(record.name, "kept.bin");
    assert.equal(stored, sha256);
    await until(
      async () => (await inStorage(page)).every((key) => key.endsWith("kept.bin")),
      "the other one is gone",
    );
  });
}

test("Uppy 5 sends a file in one request where the page wants it so, and no `ETag` has to be exposed", async (t) => {
  const page = await openUppy(stack, t, "uppy5");
  await page.context().route(`${stack.proxy.endpoint}/**`, async (route) => {
    const response = await route.fetch();
    const { etag: _, ...headers } = response.headers();
    await route.fulfill({ response, headers });
  });
  for (const shouldUseMultipart of [false, true]) {
    const seen = await page.evaluate(async (shouldUseMultipart) => {
      const { file, sha256 } = await makeFile("film.bin", 6 * 1024 * 1024);
      const options = { ...uppyCallbacks(client({ partSize: 5 * 1024 * 1024 })), shouldUseMultipart };
      const uppy = makeUppy().use(AwsS3, options);
      uppy.addFile({ name: file.name, data: file });
      const { successful } = await uppy.upload();
      const { body } = successful[0].response;
      return { status: body.status, uploadURL: successful[0].uploadURL, fileId: body.fileId, sha256 };
    }, shouldUseMultipart);
    assert.equal(seen.status, "available");
    assert.equal(seen.uploadURL, `${stack.url}/v1/files/${seen.fileId}/content`);
    await page.context().unroute(`${stack.proxy.endpoint}/**`);
    assert.equal(await page.evaluate((fileId) => contentHash(fileId), seen.fileId), seen.sha256);
  }
});

test("Uppy 6's own uploader works with the signer", async (t) => {
  const page = await openUppy(stack, t, "uppy6");
  const files = await page.evaluate(async () => {
    const uppy = makeUppy().use(AwsS3, uppySigner(client({ partSize: 5 * 1024 * 1024, path: "raw" })));
    const hashes = {};
    for (const [name, size] of [
      ["film.bin", 22 * 1024 * 1024],
      ["note + 1.txt", 1000],
      ["empty.txt", 0],
    ]) {
      const { file, sha256 } = await makeFile(name, size);
      hashes[name] = { sha256, size };
      uppy.addFile({ name, type: file.type, data: file, meta: { relativePath: `/day/${name}` } });
    }
    const { successful, failed } = await uppy.upload();
    const done = successful.map(({ name, response }) => [name, { ...hashes[name], ...response.body }]);
    return { done: Object.fromEntries(done), failed: failed.map(({ error }) => error) };
  });
  assert.deepEqual(files.failed, []);
  for (const [name, { key, size, sha256 }] of Object.entries(files.done)) {
    const [, fileId] = key.split("/");
    const record = await until(async () => {
      const record = await page.evaluate((fileId) => lookUp(`/${fileId}`), fileId);
      return record.status !== "uploading" && record;
    }, `${name} is finalized`);
    const { status, path, contentType } = record;
    assert.deepEqual(
      { status, name: record.name, path, contentType, size: record.size },
      { status: "available", name, path: "raw/day", contentType: "text/plain", size },
    );
    assert.equal(await page.evaluate((fileId) => contentHash(fileId), fileId), sha256);
  }
  assert.equal(Object.keys(files.done).length, 3);
});

/** Uppy with its Dashboard and our plugin, as `uppy` in the page. */
async function showDashboard(page, options) {
  await page.evaluate((options) => {
    globalThis.uppy = makeUppy()
      .use(Dashboard, { inline: true, target: "#uppy" })
      .use(SyncSphere, pluginOptions(options));
  }, options);
}

/** Sets files on the Dashboard's input, as a person picks them. */
async function choose(page, files) {
  await page
    .locator("#uppy input.uppy-Dashboard-input")
    .first()
    .setInputFiles(files.map(({ path }) => path));
}

/** Waits until Uppy says that so many bytes of some file are on their way. */
async function hasSent(page, bytes) {
  await page.waitForFunction(
    (least) => uppy.getFiles().some(({ progress }) => progress.bytesUploaded >= least),
    bytes,
  );
}

/** What storage holds of the page's workspace: objects, and uploads that have not ended. */
async function inStorage(page) {
  const Bucket = stack.s3.bucket;
  const workspace = new URL(page.url()).searchParams.get("workspace");
  const { Contents = [] } = await stack.s3.client.send(new ListObjectsV2Command({ Bucket }));
  const { Uploads = [] } = await stack.s3.client.send(new ListMultipartUploadsCommand({ Bucket }));
  return [...Contents, ...Uploads].map(({ Key }) => Key).filter((key) => key.startsWith(`${workspace}/`));
}

/** Counts the page's requests to addresses that end so, from now on. */
function countRequests(page, end) {
  const counter = { count: 0 };
  page.on("request", (request) => {
    if (new URL(request.url()).pathname.endsWith(end)) counter.count += 1;
  });
  return counter;
}
