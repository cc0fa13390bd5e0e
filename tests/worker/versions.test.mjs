// Versions of files, and files that are made of another's content: the real worker, with a real S3 server that keeps the
// objects which several files have.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";
import { editLedgers } from "./ledgers.mjs";
import {
  Client,
  contentOf,
  crc64nvme,
  eventually,
  hashed,
  mintedClient,
  noise,
  objects,
  useStack,
} from "./support.mjs";

const SECRET = "a secret";
const GRANT = { grant_type: "client_credentials", client_id: "backend", client_secret: SECRET };
const VARS = {
  AUTH_CLIENTS: JSON.stringify([
    {
      id: "backend",
      secretHash: hashed(SECRET),
      scopes: ["files:read", "files:write"],
      workspaces: ["team-*"],
    },
  ]),
};
const DAY_MS = 86_400_000;

const idsOf = ({ versions }) => versions.map(({ fileId }) => fileId);
const versionsOf = (client, { fileId }) => client.ask("GET", `/v1/files/${fileId}/versions`);
const remove = (client, { fileId }) => client.ask("DELETE", `/v1/files/${fileId}`);
const restore = async (client, { fileId }) => (await client.ask("POST", `/v1/files/${fileId}/restore`)).file;

/** Opens an upload that becomes the next version of `base`, and gives what completes it. */
async function begin(client, bytes, base) {
  const grant = await client.open(bytes, { base: base.fileId });
  const parts = await client.sendParts(grant, bytes);
  return async () => client.complete(grant, { crc64nvme: await crc64nvme(bytes), parts });
}

describe("versions", () => {
  const stack = useStack({ vars: VARS });
  const minted = (fields) => mintedClient(stack, GRANT, fields);

  test("follow one another, and all are there", async () => {
    const client = await stack.guest();
    const contents = [noise(10), noise(20), noise(30)];
    const first = await client.upload(contents[0]);
    assert.equal(first.version, 1);
    assert.equal("previous" in first, false);
    const second = await client.upload(contents[1], { base: first.fileId });
    const third = await client.upload(contents[2], { base: second.fileId });
    assert.deepEqual(
      [second, third].map(({ version, previous, conflict }) => [version, previous, conflict]),
      [
        [2, first.fileId, undefined],
        [3, second.fileId, undefined],
      ],
    );
    const list = await versionsOf(client, second);
    assert.deepEqual(list.versions, [third, second, first]);
    for (const [index, version] of [first, second, third].entries()) {
      assert.deepEqual(await contentOf(client, version), contents[index]);
      assert.deepEqual(await client.ask("GET", `/v1/files/${version.fileId}`), version);
    }
    const told = (await client.changes()).changes.filter(({ kind }) => kind === "file.available");
    assert.deepEqual(
      told.map(({ file }) => file),
      [first, second, third],
    );
  });

  test("made of one version at once are both kept, and the later one tells of the other", async () => {
    const client = await stack.guest();
    const base = await client.upload(noise(10));
    const [one, other] = await Promise.all([begin(client, noise(11), base), begin(client, noise(12), base)]);
    const ended = (await Promise.all([one(), other()])).toSorted((a, b) => a.version - b.version);
    assert.deepEqual(
      ended.map(({ version, previous, conflict }) => [version, previous, conflict]),
      [
        [2, base.fileId, undefined],
        [3, base.fileId, ended[0].fileId],
      ],
    );
    const told = (await client.changes()).changes.at(-1).file;
    assert.equal(told.conflict, ended[0].fileId);
    assert.deepEqual(
      idsOf(await versionsOf(client, base)),
      [ended[1], ended[0], base].map(({ fileId }) => fileId),
    );
  });

  test("are finished whose base was deleted meanwhile", async () => {
    const client = await stack.guest();
    const base = await client.upload(noise(10));
    const complete = await begin(client, noise(11), base);
    await remove(client, base);
    const { version, previous } = await complete();
    assert.deepEqual([version, previous], [2, base.fileId]);
  });

  test("begin only of a file that is there, and that may be read", async () => {
    const client = await minted({ sub: "ann" });
    const { workspace } = client;
    const file = await client.upload(noise(10));
    const refusal = async (asking, base) => {
      const [{ error }] = await asking.initiate([{ clientRef: "f", name: "f", size: 1, base }]);
      return error?.code;
    };
    const bob = await minted({ workspace, sub: "bob" });
    assert.equal(await refusal(bob, file.fileId), undefined, "whoever lists it may follow it");
    const blind = await minted({ workspace, sub: "bob", scope: "files:write" });
    assert.equal(await refusal(blind, file.fileId), "not_found");
    const own = await minted({ workspace, sub: "ann", scope: "files:write" });
    assert.equal(await refusal(own, file.fileId), undefined);

    const open = await client.open(noise(1));
    const stranger = await minted({});
    assert.equal(await refusal(client, open.fileId), "not_found");
    assert.equal(await refusal(client, "nothing"), "not_found");
    assert.equal(await refusal(stranger, file.fileId), "not_found");
    const body = { files: [{ clientRef: "f", name: "f", size: 1, base: "../x" }] };
    await client.refused("invalid_request", "POST", "/v1/uploads", { body });
    await stranger.refused("not_found", "GET", `/v1/files/${file.fileId}/versions`);
    await stranger.refused("not_found", "POST", `/v1/files/${file.fileId}/restore`);
    await blind.refused("forbidden", "GET", `/v1/files/${file.fileId}/versions`);
    await blind.refused("forbidden", "POST", `/v1/files/${file.fileId}/restore`);
    await client.refused("not_found", "POST", `/v1/files/${open.fileId}/restore`);
    await remove(client, file);
    assert.equal(await refusal(client, file.fileId), "not_found");
  });

  test("are restored without a byte, and the object goes with the last file that has it", async () => {
    const client = await stack.guest();
    const bytes = noise(100);
    const first = await client.upload(bytes, { name: "old.txt", path: "a", metadata: { camera: "b" } });
    const second = await client.upload(noise(50), { base: first.fileId, name: "new.txt" });
    const before = await objects(stack, client);

    const third = await restore(client, first);
    const { name, path, size, checksum, etag, metadata } = first;
    assert.deepEqual(
      { ...third },
      {
        ...third,
        ...{ name, path, size, checksum, etag, metadata },
        ...{ version: 3, previous: second.fileId, status: "available" },
      },
    );
    assert.notEqual(third.fileId, first.fileId);
    assert.deepEqual(await restore(client, first), third, "it is the newest already");
    assert.deepEqual(await restore(client, third), third);
    assert.deepEqual(await objects(stack, client), before);
    assert.deepEqual(
      (await client.changes()).changes.slice(-2).map(({ kind }) => kind),
      ["file.available", "file.available"],
    );

    await remove(client, first);
    assert.deepEqual(await contentOf(client, third), bytes);
    await client.refused("not_found", "GET", `/v1/files/${first.fileId}/content`);
    assert.deepEqual(idsOf(await versionsOf(client, third)), [third.fileId, second.fileId]);
    await remove(client, third);
    const left = await objects(stack, client);
    assert.deepEqual(
      left.map(({ Size }) => Size),
      [50],
    );
    await remove(client, second);
    assert.deepEqual(await objects(stack, client), []);
  });

  test("count by their size, and are held against the quota", async () => {
    const client = await minted({ max_bytes: "25" });
    const first = await client.upload(noise(10));
    await client.upload(noise(1), { base: first.fileId });
    const third = await restore(client, first);
    await client.upload(noise(1), { base: third.fileId });
    await client.refused("quota_exceeded", "POST", `/v1/files/${first.fileId}/restore`);
    const narrow = await minted({ workspace: client.workspace, max_file_size: "9" });
    await narrow.refused("file_too_large", "POST", `/v1/files/${first.fileId}/restore`);
    const images = await minted({ workspace: client.workspace, content_types: "image/*" });
    await images.refused("forbidden", "POST", `/v1/files/${first.fileId}/restore`);
  });
});

describe("a workspace that is edited between two runs", () => {
  let s3, durableDir, coordinator;
  const stack = () => ({ s3, url: coordinator.url });
  const again = ({ token, workspace }) => new Client(coordinator.url, token, workspace);

  async function start(vars) {
    await coordinator?.stop();
    coordinator = await startCoordinator({
      ...{ s3, durableDir, assets: false },
      vars: { S3_FORMS: "off", ...VARS, ...vars },
    });
  }

  /** Changes what the ledgers hold, and starts the coordinator anew. */
  async function edit(change, vars) {
    await coordinator.stop();
    await editLedgers(durableDir, change);
    await start(vars);
  }

  /** Writes down what the file's content is, as its owner tells it. */
  function tellContent({ fileId }, content) {
    return edit((ledger) => {
      const told = "UPDATE files SET doc = json_set(doc, '$.content', ?) WHERE id = ?";
      ledger.prepare(told).run(content, fileId);
    });
  }

  before(async () => {
    s3 = await startSeaweed();
    durableDir = await mkdtemp(join(tmpdir(), "syncsphere-durable-"));
    await start();
  });
  after(async () => {
    await coordinator?.stop();
    await s3?.stop();
    await rm(durableDir, { recursive: true, force: true });
  });

  test("the same content is a file without a byte, for its owner alone", async () => {
    let ann = await mintedClient(stack(), GRANT, { sub: "ann" });
    let bob = await mintedClient(stack(), GRANT, { sub: "bob", workspace: ann.workspace });
    const bytes = noise(1000);
    const file = await ann.upload(bytes, { name: "one.txt" });
    const content = randomBytes(32).toString("base64");
    const body = { from: file.fileId, content, name: "two.txt", path: "copies", metadata: { of: "one" } };
    await ann.refused("checksum_mismatch", "POST", "/v1/files", { body });
    await tellContent(file, content);
    [ann, bob] = [ann, bob].map(again);

    const before = await objects(stack(), ann);
    const headers = { "idempotency-key": "k1" };
    const { file: made } = await ann.ask("POST", "/v1/files", { body, headers });
    const { size, checksum, etag, contentType } = file;
    assert.deepEqual(made, {
      ...made,
      ...{ size, checksum, etag, contentType, version: 1, status: "available", owner: "ann" },
      ...{ name: "two.txt", path: "copies", metadata: { of: "one" } },
    });
    assert.deepEqual((await ann.ask("POST", "/v1/files", { body, headers })).file, made);
    await ann.refused("conflict", "POST", "/v1/files", { body: { ...body, name: "three.txt" }, headers });
    assert.deepEqual(await objects(stack(), ann), before);
    const { changes } = await ann.changes();
    assert.deepEqual(
      changes.map(({ kind }) => kind),
      ["file.uploading", "file.available", "file.available"],
    );
    assert.deepEqual(changes.at(-1).file, made);

    const other = randomBytes(32).toString("base64");
    await ann.refused("checksum_mismatch", "POST", "/v1/files", { body: { ...body, content: other } });
    await bob.refused("not_found", "POST", "/v1/files", { body });
    await bob.refused("not_found", "POST", "/v1/files", { body: { ...body, content: other } });
    await ann.refused("not_found", "POST", "/v1/files", { body: { ...body, from: "nothing" } });
    await ann.refused("not_found", "POST", "/v1/files", { body: { ...body, base: "nothing" } });
    for (const wrong of [
      { content: "short" },
      { name: "" },
      { path: "../up" },
      { more: 1 },
      { from: "a/b" },
    ]) {
      await ann.refused("invalid_request", "POST", "/v1/files", { body: { ...body, ...wrong } });
    }

    const { file: next } = await ann.ask("POST", "/v1/files", { body: { ...body, base: made.fileId } });
    assert.deepEqual([next.version, next.previous], [2, made.fileId]);
    for (const gone of [file, made]) {
      await remove(ann, gone);
      assert.deepEqual(await contentOf(ann, next), bytes);
    }
    // What is removed was referred to: nothing can be made of it any more.
    await ann.refused("not_found", "POST", "/v1/files", { body });
    await remove(ann, next);
    assert.deepEqual(await objects(stack(), ann), []);
  });

  test("older versions go by number, and what a newer one has as well stays", async () => {
    await start({ VERSIONS_KEEP: "2" });
    const client = await Client.guest(coordinator.url, "numbered");
    const bytes = noise(10);
    const first = await client.upload(bytes);
    const second = await client.upload(noise(20), { base: first.fileId });
    assert.deepEqual(idsOf(await versionsOf(client, first)), [second.fileId, first.fileId]);
    const third = await restore(client, first);
    assert.deepEqual(idsOf(await versionsOf(client, third)), [third.fileId, second.fileId]);
    assert.deepEqual(await contentOf(client, third), bytes);
    const { changes } = await client.changes();
    assert.deepEqual(
      changes.slice(-2).map(({ kind, file }) => [kind, file.fileId]),
      [
        ["file.available", third.fileId],
        ["file.deleted", first.fileId],
      ],
    );
    // A version that another file has no object in common with goes from storage as well.
    await client.upload(noise(30), { base: third.fileId });
    await client.upload(noise(40), { base: third.fileId });
    await eventually(async () => {
      const sizes = (await objects(stack(), client)).map(({ Size }) => Size);
      return sizes.toSorted((a, b) => a - b).join() === "30,40";
    }, "the older versions' objects are removed");
  });

  test("older versions go by age, and the newest stays", async () => {
    await start({ VERSIONS_MAX_AGE_DAYS: "7" });
    let client = await Client.guest(coordinator.url, "aged");
    const first = await client.upload(noise(10));
    const second = await client.upload(noise(20), { base: first.fileId });
    assert.deepEqual(idsOf(await versionsOf(client, second)), [second.fileId, first.fileId]);
    // A week later.
    const then = new Date(Date.now() - 7 * DAY_MS).toISOString();
    await edit(
      (ledger) => {
        const became = "UPDATE files SET doc = json_set(doc, '$.record.updatedAt', ?) WHERE id = ?";
        const isThis = ledger.prepare(became).run(then, second.fileId).changes === 1;
        if (!isThis) return;
        const job = "UPDATE chores SET due_ms = 1, doc = json_set(doc, '$.dueMs', 1) WHERE id = ?";
        assert.equal(ledger.prepare(job).run(`retain:${first.fileId}`).changes, 1);
      },
      { VERSIONS_MAX_AGE_DAYS: "7" },
    );
    client = again(client);
    await eventually(
      async () => idsOf(await versionsOf(client, second)).join() === second.fileId,
      "the older version goes",
      60_000,
    );
    await eventually(
      async () => (await objects(stack(), client)).length === 1,
      "its object goes as well",
      60_000,
    );
    assert.equal((await client.changes()).changes.at(-1).kind, "file.deleted");
  });
});
