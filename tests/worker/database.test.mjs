// The metadata database: real PostgreSQL behind the worker's binding. What it has to hold is what the API says of the
// same workspace.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { setUpDatabase } from "../../stack/database.mjs";
import { editLedgers } from "./ledgers.mjs";
import { Client, eventually, hashed, noise, requestToken, useStack } from "./support.mjs";

const SECRET = "an operator's secret";

/** An operator who may have any workspace rebuilt. */
const VARS = {
  S3_FORMS: "off",
  AUTH_CLIENTS: JSON.stringify([
    {
      id: "operator",
      secretHash: hashed(SECRET),
      scopes: ["files:read", "files:write", "workspace:admin"],
      workspaces: ["*"],
    },
  ]),
};

const ALL_STATES = "uploading,available,aborted,expired,deleted";

/** Long enough for the longest pause between two attempts. */
const CATCH_UP_MS = 90_000;

const stack = useStack({ database: true, vars: VARS });

async function operator(workspace = `w-${randomUUID()}`, url = stack.url, sub = "ops") {
  const response = await requestToken(url, {
    grant_type: "client_credentials",
    client_id: "operator",
    client_secret: SECRET,
    sub,
    workspace,
  });
  const { access_token: token, ...reply } = await response.json();
  assert.equal(response.status, 200, JSON.stringify(reply));
  return new Client(url, token, workspace);
}

function caughtUp(client, deadlineMs = CATCH_UP_MS) {
  return eventually(
    async () => {
      const status = await client.ask("GET", "/v1/database");
      return status.waiting === 0 && !status.rebuilding && status;
    },
    "the database catches up",
    deadlineMs,
  );
}

/** Waits until the database has everything, and compares it with what the API says. */
async function assertMirrored(client, database = stack.database) {
  const status = await caughtUp(client);
  assert.equal(status.failures, 0);
  const rows = await database.query(
    "SELECT seq::int, kind, file, at FROM file_changes WHERE workspace = $1 ORDER BY seq",
    [client.workspace],
  );
  const changes = rows.map(({ at, ...change }) => ({ ...change, at: at.toISOString() }));
  assert.deepEqual(changes, (await client.changes()).changes);
  assert.equal(status.deliveredSeq, changes.length);

  const files = await database.query(
    `SELECT workspace, file_id AS "fileId", name, path, size::float8 AS size, content_type AS "contentType", status,
       crc64nvme, etag, owner, metadata, created_at, updated_at, seq::int, version, previous, conflict FROM files WHERE workspace = $1
       ORDER BY file_id`,
    [client.workspace],
  );
  const listed = await client.ask("GET", `/v1/files?limit=1000&status=${ALL_STATES}`);
  const expected = listed.files.toSorted((one, other) => (one.fileId < other.fileId ? -1 : 1));
  assert.deepEqual(
    files.map(({ crc64nvme, etag, created_at, updated_at, version, previous, conflict, ...file }) => ({
      ...file,
      checksum: crc64nvme ? { crc64nvme } : {},
      ...(etag && { etag }),
      ...(version && { version }),
      ...(previous && { previous }),
      ...(conflict && { conflict }),
      createdAt: created_at.toISOString(),
      updatedAt: updated_at.toISOString(),
    })),
    expected,
  );
  return files;
}

/** The deliveries of a workspace that failed, as the log has them. */
function failures(client, { logs } = stack.coordinator) {
  return logs
    .filter(({ level, message }) => level === "error" && message.includes(client.workspace))
    .map(({ message }) => JSON.parse(message))
    .filter(({ event }) => event === "delivery");
}

describe("the metadata database", () => {
  test("holds the whole life of every file", async () => {
    const client = await operator();
    const metadata = { camera: "b" };
    const first = await client.upload(noise(10), { name: "kept.bin", path: "raw/2026", metadata });
    // Its next version, and one that comes later.
    for (const name of ["next.bin", "too.bin"]) await client.upload(noise(10), { name, base: first.fileId });
    const removed = await client.upload(noise(10), { name: "removed.bin" });
    const given = await client.open(noise(10), { name: "given up.bin" });
    await client.open(noise(10), { name: "under way.bin" });
    await client.ask("DELETE", `/v1/files/${removed.fileId}`);
    await client.ask("DELETE", `/v1/uploads/${given.uploadId}`);
    const files = await assertMirrored(client);
    assert.deepEqual(files.map(({ status }) => status).sort(), [
      "aborted",
      "available",
      "available",
      "available",
      "deleted",
      "uploading",
    ]);
  });

  test("takes whatever a file is called as what it is called", async () => {
    const client = await operator();
    const names = [
      `'; DROP TABLE files; --`,
      `"quoted" \\ $1 \\u0000 %s {"a":1}`,
      "\u{1F4F7}\u{1F468}‍\u{1F469}‍\u{1F467}",
      "é".repeat(127) + "x",
      "\u{202E}gnp.exe",
    ];
    for (const name of names) await client.open(noise(1), { name, path: "a'b/c\"d" });
    await caughtUp(client);
    const rows = await stack.database.query("SELECT name FROM files WHERE workspace = $1 ORDER BY seq", [
      client.workspace,
    ]);
    assert.deepEqual(
      rows.map(({ name }) => name),
      names.map((name) => name.normalize("NFC")),
    );
    await assertMirrored(client);
  });

  test("shows a zero, which PostgreSQL cannot hold, as the symbol for it", async () => {
    const client = await operator(undefined, undefined, "ops\0\\u0000");
    await client.open(noise(1));
    await caughtUp(client);
    const rows = await stack.database.query("SELECT owner FROM files WHERE workspace = $1", [
      client.workspace,
    ]);
    assert.deepEqual(rows, [{ owner: "ops␀\\u0000" }]);
  });

  test("refuses a row and is given all others", async () => {
    const client = await operator();
    await stack.database.query("ALTER TABLE files ADD CONSTRAINT choosy CHECK (name <> 'poison')");
    try {
      const names = ["before", "poison", "between", "after"];
      await Promise.all(names.map((name) => client.open(noise(1), { name })));
      const status = await caughtUp(client);
      assert.equal(status.failures, 0);
      assert.equal(status.parked, 1);
      assert.equal(status.lastParked.cause, "SQLSTATE 23514");
      const rows = await stack.database.query("SELECT name FROM files WHERE workspace = $1 ORDER BY name", [
        client.workspace,
      ]);
      assert.deepEqual(
        rows.map(({ name }) => name),
        ["after", "before", "between"],
      );
    } finally {
      await stack.database.query("ALTER TABLE files DROP CONSTRAINT choosy");
    }
    await client.ask("POST", "/v1/database/rebuild");
    await assertMirrored(client);
    assert.equal((await client.ask("GET", "/v1/database")).parked, 0);
  });

  test("does not mix workspaces", async () => {
    const clients = [await operator(), await operator()];
    await Promise.all(clients.flatMap((client) => [client.upload(noise(1)), client.upload(noise(2))]));
    for (const client of clients) {
      const files = await assertMirrored(client);
      assert.equal(files.length, 2);
    }
  });

  test("does not let what comes late overwrite what is newer", async () => {
    const client = await operator();
    const { fileId } = await client.upload(noise(1));
    await caughtUp(client);
    // As though the database had been told of a later state already.
    await stack.database.query("UPDATE files SET seq = 1000, status = 'deleted' WHERE file_id = $1", [
      fileId,
    ]);
    await client.ask("POST", "/v1/database/rebuild");
    await caughtUp(client);
    const [row] = await stack.database.query("SELECT seq::int, status FROM files WHERE file_id = $1", [
      fileId,
    ]);
    assert.deepEqual(row, { seq: 1000, status: "deleted" });
  });
});

describe("an outage of the database", () => {
  test("holds no upload up, and is caught up with", async () => {
    const client = await operator();
    await client.upload(noise(1));
    await caughtUp(client);

    // Killed between uploads that go on all the while.
    let isOver = false;
    const uploads = (async () => {
      let count = 0;
      for (; !isOver; count++) await client.upload(noise(10), { name: `during ${count}` });
      return count;
    })();
    await stack.database.kill();
    const status = await eventually(async () => {
      const status = await client.ask("GET", "/v1/database");
      return status.failures >= 2 && status;
    }, "two attempts fail");
    assert.ok(status.waiting > 0);
    await stack.database.resume();
    isOver = true;
    assert.ok((await uploads) > 0);
    await assertMirrored(client);

    const told = failures(client);
    assert.ok(told.length >= 2);
    for (const { cause, workspace, waiting } of told) {
      assert.equal(workspace, client.workspace);
      assert.match(cause, /^the database failed: (it cannot be reached|it hung up|SQLSTATE \w{5})$/);
      assert.ok(waiting > 0);
    }
    const log = stack.coordinator.logs.map(({ message }) => message).join("\n");
    for (const secret of [stack.database.password, "postgres://", "during 0"])
      assert.ok(!log.includes(secret));
  });

  test("is caught up with in order, over more changes than one delivery takes", async () => {
    const client = await operator();
    await stack.database.kill();
    for (let round = 0; round < 5; round++) {
      const files = Array.from({ length: 100 }, (_, index) => ({
        clientRef: `${index}`,
        name: `${round}-${index}`,
        size: 1,
        parts: [],
      }));
      await client.initiate(files);
    }
    await stack.database.resume();
    await assertMirrored(client);
    const arrived = await stack.database.query(
      "SELECT seq::int FROM file_changes WHERE workspace = $1 ORDER BY delivered_at, seq",
      [client.workspace],
    );
    assert.deepEqual(
      arrived.map(({ seq }) => seq),
      Array.from({ length: 500 }, (_, index) => index + 1),
    );
  });

  test("in which it hangs delays nothing else that the workspace has to do", async () => {
    const vars = { ...VARS, UPLOAD_TTL_SECONDS: "2" };
    const { s3, database } = stack;
    const coordinator = await startCoordinator({ s3, vars, databaseUrl: database.url, assets: false });
    try {
      const client = await operator(undefined, coordinator.url);
      database.freeze();
      const { fileId } = await client.open(noise(1));
      const isExpired = async () => (await client.ask("GET", `/v1/files/${fileId}`)).status === "expired";
      await eventually(isExpired, "the upload expires", 60_000);
      // Whoever waits for the database gives up after 10 seconds, and had not yet.
      assert.deepEqual(failures(client, coordinator), []);
      database.thaw();
      const [file] = await assertMirrored(client);
      assert.equal(file.status, "expired");
    } finally {
      database.thaw();
      await coordinator.stop();
    }
  });
});

describe("an outage that outlasts the changes", () => {
  test("leaves nothing behind: not in the workspace, and no file in the database that is gone", async () => {
    const vars = { ...VARS, CHANGES_TTL_SECONDS: "1" };
    const { s3, database } = stack;
    const coordinator = await startCoordinator({ s3, vars, databaseUrl: database.url, assets: false });
    try {
      const client = await operator(undefined, coordinator.url);
      const removed = await client.upload(noise(1), { name: "removed" });
      const given = await client.open(noise(1), { name: "given up" });
      await client.upload(noise(1), { name: "kept" });
      await caughtUp(client);
      await database.kill();
      await client.ask("DELETE", `/v1/files/${removed.fileId}`);
      await client.ask("DELETE", `/v1/uploads/${given.uploadId}`);
      const isForgotten = async () => {
        // The newest change is always kept.
        await client.open(noise(1), { name: "under way" });
        const listed = await client.ask("GET", "/v1/files?status=aborted,deleted");
        return listed.files.length === 0;
      };
      await eventually(isForgotten, "the workspace forgets what is gone", 60_000);
      await database.resume();
      await caughtUp(client);
      const rows = await database.query(
        "SELECT DISTINCT name, status FROM files WHERE workspace = $1 ORDER BY name",
        [client.workspace],
      );
      assert.deepEqual(rows, [
        { name: "given up", status: "deleted" },
        { name: "kept", status: "available" },
        { name: "removed", status: "deleted" },
        { name: "under way", status: "uploading" },
      ]);
    } finally {
      await coordinator.stop();
    }
  });
});

describe("a rebuild", () => {
  test("deletes what the workspace does not know, and nothing else", async () => {
    const clients = [await operator(), await operator()];
    const [client, other] = clients;
    for (const each of clients) await each.upload(noise(1));
    await Promise.all(clients.map((each) => caughtUp(each)));
    const copy = (fileId, workspace, seq) =>
      stack.database.query(
        `INSERT INTO files SELECT (jsonb_populate_record(files, $3)).* FROM files WHERE workspace = $1 AND file_id !~ $2`,
        [client.workspace, "^copy", { workspace, file_id: fileId, seq }],
      );
    // Sorted otherwise in most languages than by bytes, and newer than what the workspace knows.
    await copy("copy-Z", client.workspace, 2);
    await copy("copy_a", client.workspace, 2);
    await copy("copy-new", client.workspace, 1000);
    await copy("copy-other", other.workspace, 2);
    await client.ask("POST", "/v1/database/rebuild");
    await caughtUp(client);
    const rows = await stack.database.query(
      `SELECT file_id, status FROM files WHERE workspace = ANY($1) ORDER BY file_id COLLATE "C"`,
      [clients.map(({ workspace }) => workspace)],
    );
    assert.deepEqual(
      rows.filter(({ status }) => status === "deleted").map(({ file_id }) => file_id),
      ["copy-Z", "copy_a"],
    );
    assert.equal(rows.length, 6);
  });

  test("brings back tables that were emptied, while uploads go on", async () => {
    const client = await operator();
    const files = Array.from({ length: 100 }, (_, index) => ({
      clientRef: `${index}`,
      name: `${index}`,
      size: 1,
      parts: [],
    }));
    for (let round = 0; round < 3; round++) await client.initiate(files);
    await client.upload(noise(1));
    await assertMirrored(client);
    await stack.database.query("DELETE FROM files WHERE workspace = $1", [client.workspace]);
    await stack.database.query("DELETE FROM file_changes WHERE workspace = $1", [client.workspace]);

    const [status] = await Promise.all([
      client.ask("POST", "/v1/database/rebuild"),
      client.upload(noise(2)),
      client.upload(noise(3)),
    ]);
    assert.equal(status.rebuilding, true);
    assert.equal((await assertMirrored(client)).length, 303);
  });

  test("takes no file for gone that the workspace cannot read", async () => {
    const durableDir = await mkdtemp(join(tmpdir(), "syncsphere-durable-"));
    const { s3, database } = stack;
    const start = () =>
      startCoordinator({ s3, durableDir, vars: VARS, databaseUrl: database.url, assets: false });
    let coordinator = await start();
    try {
      const client = await operator(undefined, coordinator.url);
      const files = [await client.upload(noise(1)), await client.upload(noise(1))];
      await caughtUp(client);
      await coordinator.stop();
      await editLedgers(durableDir, (ledger) => {
        const spoil = "UPDATE files SET doc = json_set(doc, '$.record.size', 'x') WHERE id = ?";
        ledger.prepare(spoil).run(files[0].fileId);
      });
      coordinator = await start();
      const again = await operator(client.workspace, coordinator.url);
      await again.ask("POST", "/v1/database/rebuild");
      await caughtUp(again);
      assert.equal((await again.ask("GET", "/v1/database")).unreadable, 1);
      const rows = await database.query("SELECT status FROM files WHERE workspace = $1", [client.workspace]);
      assert.deepEqual(rows, [{ status: "available" }, { status: "available" }]);
    } finally {
      await coordinator.stop();
      await rm(durableDir, { recursive: true, force: true });
    }
  });

  test("is for those alone who look after the workspace", async () => {
    const guest = await stack.guest();
    await guest.refused("forbidden", "POST", "/v1/database/rebuild");
    await guest.refused("forbidden", "GET", "/v1/database");
    const response = await requestToken(stack.url, {
      grant_type: "urn:syncsphere:guest",
      scope: "files:read workspace:admin",
    });
    assert.equal((await response.json()).error, "invalid_scope");
  });
});

describe("a database that is new to the workspace", () => {
  test("is told what was there before", async () => {
    const { s3, database } = stack;
    const durableDir = await mkdtemp(join(tmpdir(), "syncsphere-test-"));
    const start = (databaseUrl) =>
      startCoordinator({ s3, vars: VARS, databaseUrl, durableDir, assets: false });
    let coordinator = await start();
    try {
      const before = await operator(undefined, coordinator.url);
      const removed = await before.upload(noise(1));
      await before.upload(noise(2));
      await before.ask("DELETE", `/v1/files/${removed.fileId}`);
      await before.refused("not_found", "GET", "/v1/database");
      await before.refused("not_found", "POST", "/v1/database/rebuild");

      await coordinator.stop();
      coordinator = await start(database.url);
      const after = await operator(before.workspace, coordinator.url);
      await after.upload(noise(3));
      assert.equal((await assertMirrored(after)).length, 3);
    } finally {
      await coordinator.stop();
      await rm(durableDir, { recursive: true, force: true });
    }
  });

  test("may have no tables yet; making them twice does no harm", async () => {
    const { s3, database } = stack;
    await database.query("CREATE DATABASE empty");
    const empty = database.in("empty");
    const coordinator = await startCoordinator({ s3, vars: VARS, databaseUrl: empty.url, assets: false });
    try {
      const client = await operator(undefined, coordinator.url);
      await client.upload(noise(1));
      const [{ cause }] = await eventually(() => {
        const told = failures(client, coordinator);
        return told.length > 0 && told;
      }, "a delivery fails");
      assert.equal(cause, "the database failed: SQLSTATE 42P01"); // undefined_table

      const applied = await Promise.all([setUpDatabase(empty.url), setUpDatabase(empty.url)]);
      assert.deepEqual(applied.flat(), ["0001_files", "0002_files_by_id", "0003_versions"]);
      await assertMirrored(client, empty);
      assert.deepEqual(await setUpDatabase(empty.url), []);
      await assertMirrored(client, empty);
    } finally {
      await coordinator.stop();
    }
  });
});
