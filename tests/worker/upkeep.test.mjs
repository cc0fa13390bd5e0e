// What nobody asks for: the feed's oldest changes go, the alarm outlives what goes wrong in it, and multipart uploads
// that no ledger knows are found.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { editLedgers } from "./ledgers.mjs";
import { Listener } from "./listener.mjs";
import { Client, PART, eventually, noise, useStack } from "./support.mjs";

const stack = useStack({ vars: { CHANGES_TTL_SECONDS: "1", ORPHAN_AGE_SECONDS: "2" } });

describe("the feed's oldest changes", () => {
  test("go when their time is over, and who needs them is told to begin anew", async () => {
    const client = await stack.guest();
    await client.upload(noise(1));
    await client.upload(noise(1));
    const page = await eventually(async () => {
      const page = await client.changes(2);
      return page.reset !== undefined && page;
    }, "the first three changes go");
    assert.deepEqual(page, { changes: [], seq: 4, reset: 4 });
    // The newest stays: the next one counts on from it.
    assert.deepEqual((await client.changes(4)).changes, []);
    assert.equal((await client.ask("GET", "/v1/files")).files.length, 2);

    const late = await Listener.open(client, 1);
    const current = await Listener.open(client, 4);
    await client.open(noise(1));
    await late.until(5);
    await current.until(5);
    assert.deepEqual(late.frames.slice(0, 2), [
      { type: "hello", seq: 4 },
      { type: "reset", seq: 4 },
    ]);
    assert.deepEqual(late.sequence(), [5]);
    assert.deepEqual(current.sequence(), [5]);
    late.close();
    current.close();
  });
});

describe("a row that cannot be read", () => {
  test("is told by the log, and stops nothing", async () => {
    const durableDir = await mkdtemp(join(tmpdir(), "syncsphere-durable-"));
    const logs = [];
    const start = (vars) =>
      startCoordinator({ s3: stack.s3, durableDir, assets: false, vars, onLog: (entry) => logs.push(entry) });
    let coordinator = await start({ UPLOAD_TTL_SECONDS: "2" });
    try {
      const client = await Client.guest(coordinator.url, "spoiled");
      const opened = [await client.open(noise(1)), await client.open(noise(1))];
      await coordinator.stop();

      const [spoiled, other] = opened;
      await editLedgers(durableDir, (ledger) => {
        const job = "UPDATE chores SET doc = json_set(doc, '$.attempts', 'x') WHERE id = ?";
        if (ledger.prepare(job).run(`expire:${spoiled.uploadId}`).changes === 0) return;
        ledger.exec("UPDATE changes SET doc = json_set(doc, '$.at', 7) WHERE seq = 1");
      });
      coordinator = await start();
      const again = await Client.guest(coordinator.url, "spoiled");
      const isExpired = async () =>
        (await again.ask("GET", `/v1/files/${other.fileId}`)).status === "expired";
      await eventually(isExpired, "the other upload expires", 60_000);
      const told = await eventually(
        () => logs.map(({ message }) => message).find((message) => message.includes('"event":"unreadable"')),
        "the log tells of it",
        60_000,
      );
      const { workspace, rows, last } = JSON.parse(told);
      assert.equal(workspace, "spoiled");
      assert.ok(rows >= 1);
      assert.ok(["chores", "changes"].includes(last.table), told);
      assert.match(last.cause, /^it has another form \(column \d+\)$/);
      // The alarm does not ring for it over and over.
      const { status } = await again.ask("GET", `/v1/files/${spoiled.fileId}`);
      assert.equal(status, "uploading");
    } finally {
      await coordinator.stop();
      await rm(durableDir, { recursive: true, force: true });
    }
  });
});

describe("the alarm", () => {
  test("rings again, whatever goes wrong, until what is due is done", async () => {
    const durableDir = await mkdtemp(join(tmpdir(), "syncsphere-durable-"));
    const logs = [];
    const start = (vars) =>
      startCoordinator({ s3: stack.s3, durableDir, assets: false, vars, onLog: (entry) => logs.push(entry) });
    let coordinator = await start({ UPLOAD_TTL_SECONDS: "1" });
    try {
      const client = await Client.guest(coordinator.url, "alarmed");
      const { fileId } = await client.open(noise(PART + 1), { partSize: PART });
      await coordinator.stop();

      // Nothing can be done without a bucket: every alarm fails.
      coordinator = await start({ S3_BUCKET: undefined });
      const failures = () => logs.filter(({ message }) => message.includes('"requestId":"alarm"')).length;
      await eventually(() => failures() >= 3, "the alarm has rung three times", 60_000);
      await coordinator.stop();

      coordinator = await start({});
      const again = new Client(coordinator.url, client.token, client.workspace);
      const expired = async () => (await again.ask("GET", `/v1/files/${fileId}`)).status === "expired";
      await eventually(expired, "the upload expires", 60_000);
      // A look wakes the object, but only the alarm expires anything.
      assert.deepEqual(
        (await again.changes()).changes.map((change) => change.kind),
        ["file.uploading", "file.expired"],
      );
    } finally {
      await coordinator.stop();
      await rm(durableDir, { recursive: true, force: true });
    }
  });
});

describe("multipart uploads that no ledger knows", () => {
  test("are aborted once they are old, and nobody else's are", async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 1);
    const grant = await client.open(bytes, { partSize: PART });
    await client.sendParts(grant, bytes, [1]);
    const [known] = await uploadsIn(client.workspace);

    const strays = [known.Key]; // a second upload of the same object
    for (let index = 0; index < 3; index++) strays.push(`${client.workspace}/${id()}/film.mov`);
    const foreign = [
      "backup.tar",
      `${client.workspace}/notes/film.mov`,
      `${client.workspace}/${id()}/folder/film.mov`,
      `${client.workspace}/${id().toUpperCase()}/film.mov`,
      // Of our form, but of a workspace that has never begun an upload.
      `elsewhere-${client.workspace}/${id()}/film.mov`,
    ];
    for (const key of [...strays, ...foreign]) await begin(key);

    await eventually(async () => {
      await lookThrough(stack.coordinator);
      return (await uploadsIn(client.workspace)).length === 4;
    }, "the strays are aborted");
    const left = await uploadsIn(client.workspace);
    assert.deepEqual(
      left.map((upload) => upload.Key).toSorted(),
      [known.Key, ...foreign.slice(1, 4)].toSorted(),
    );
    assert.equal(left.find((upload) => upload.Key === known.Key).UploadId, known.UploadId);
    assert.equal((await uploadsIn("backup.tar")).length, 1);
    assert.equal((await uploadsIn(`elsewhere-${client.workspace}`)).length, 1);
    await client.sendParts(grant, bytes, [2]);
    assert.equal((await client.complete(grant)).status, "available");
  });

  test("are found page by page, however many there are", async () => {
    const client = await stack.guest();
    await client.upload(noise(1));
    const keys = Array.from({ length: 450 }, () => `${client.workspace}/${id()}/f`);
    for (let start = 0; start < keys.length; start += 25) {
      await Promise.all(keys.slice(start, start + 25).map(begin));
    }
    await eventually(
      async () => {
        await lookThrough(stack.coordinator);
        return (await uploadsIn(client.workspace)).length === 0;
      },
      "all of them are aborted",
      60_000,
    );
  });

  test("are only reported where that is wanted, and never before they are a day old", async () => {
    const report = { STRAY_UPLOADS: "report", STRAY_AGE_SECONDS: "1" };
    for (const [vars, expected] of [
      [report, 2],
      [{}, 0],
      [{ ORPHAN_UPLOADS: "off", STRAY_UPLOADS: "abort", STRAY_AGE_SECONDS: "1" }, 0],
    ]) {
      const coordinator = await startCoordinator({
        s3: stack.s3,
        vars: { S3_FORMS: "off", ...vars },
        assets: false,
      });
      try {
        const client = await Client.guest(coordinator.url, `w-${id()}`);
        await client.upload(noise(1));
        const fileIds = [id(), id()].toSorted();
        for (const fileId of fileIds) await begin(`${client.workspace}/${fileId}/film.mov`);
        const [oldest] = await uploadsIn(client.workspace);
        // Storage's times have seconds.
        await eventually(() => Date.now() - oldest.Initiated.getTime() > 3000, "they are old enough");
        const pages = await lookThrough(coordinator);
        const strays = pages.flatMap((page) => page.strays);
        assert.equal(strays.length, expected, JSON.stringify(vars));
        if (expected > 0) {
          const found = strays.map((stray) => stray.fileId).toSorted();
          assert.deepEqual(found, fileIds);
          assert.ok(strays.every((stray) => stray.workspace === client.workspace));
        }
        assert.equal((await uploadsIn(client.workspace)).length, 2);
        const told = coordinator.logs.map((entry) => entry.message).join("\n");
        assert.doesNotMatch(told, /film\.mov/);
      } finally {
        await coordinator.stop();
      }
    }
  });
});

/** An id of the form that the coordinator makes. */
function id() {
  return randomBytes(16).toString("hex");
}

async function begin(key) {
  await stack.s3.client.send(new CreateMultipartUploadCommand({ Bucket: stack.s3.bucket, Key: key }));
}

async function uploadsIn(prefix) {
  const listing = new ListMultipartUploadsCommand({ Bucket: stack.s3.bucket, Prefix: prefix });
  return (await stack.s3.client.send(listing)).Uploads ?? [];
}

/** Lets the clock strike; gives what was logged about every page of the look through the bucket. */
async function lookThrough({ runtime, logs }) {
  const before = pagesIn(logs).length;
  const worker = await runtime.getWorker();
  assert.equal((await worker.scheduled({ cron: "17 3 * * *" })).outcome, "ok");
  return eventually(() => {
    const pages = pagesIn(logs).slice(before);
    return pages.at(-1)?.last && pages;
  }, "the look through the bucket ends");
}

function pagesIn(logs) {
  return logs
    .filter(({ message }) => message.startsWith('{"'))
    .map(({ message }) => JSON.parse(message))
    .filter((line) => line.sweep === "uploads");
}
