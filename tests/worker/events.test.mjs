import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { Listener } from "./listener.mjs";
import { Client, assertProblem, eventually, noise, useStack } from "./support.mjs";

const stack = useStack();

describe("the change feed", () => {
  test("has every change once, in order, page by page", async () => {
    const client = await stack.guest();
    for (let index = 0; index < 4; index++) await client.upload(noise(1));
    const seen = [];
    for (let since = 0; ;) {
      const page = await client.changes(since, 3);
      assert.equal(page.seq, 8);
      if (page.changes.length === 0) break;
      assert.ok(page.changes.length <= 3);
      seen.push(...page.changes);
      since = seen.at(-1).seq;
    }
    assert.deepEqual(
      seen.map((change) => change.seq),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
    for (const change of seen) {
      assert.equal(change.file.seq, change.seq);
      assert.equal(change.kind, `file.${change.file.status}`);
      assert.ok(Date.parse(change.at) <= Date.now());
    }
  });

  test("has no gap under many uploads at once", async () => {
    const client = await stack.guest();
    await Promise.all(Array.from({ length: 30 }, () => client.upload(noise(1))));
    const { changes } = await client.changes();
    assert.deepEqual(
      changes.map((change) => change.seq),
      Array.from({ length: 60 }, (_, index) => index + 1),
    );
    const available = changes.filter((change) => change.kind === "file.available");
    assert.equal(new Set(available.map((change) => change.file.fileId)).size, 30);
  });

  test("answers whoever leaves", async () => {
    const listener = await Listener.open(await stack.guest());
    listener.close();
    assert.equal(await listener.closed, 1000); // 1006 once the client has waited for long enough
  });

  test("tells who remembers another feed to begin anew", async () => {
    const client = await stack.guest();
    await client.open(noise(1));
    const page = await client.changes(7);
    assert.deepEqual(page, { changes: [], seq: 1, reset: 1 });
  });
});

describe("the live feed", () => {
  test("says where the feed stands, replays from there, and goes on live for everyone", async () => {
    const client = await stack.guest();
    const first = await client.upload(noise(1), { name: "first" });
    const early = await Listener.open(client, 0);
    const late = await Listener.open(client, 1);
    const onlyNew = await Listener.open(client);
    await client.upload(noise(1), { name: "second" });

    for (const [listener, from] of [
      [early, 1],
      [late, 2],
      [onlyNew, 3],
    ]) {
      await listener.until(4);
      assert.deepEqual(listener.frames[0], { type: "hello", seq: 2 });
      assert.deepEqual(
        listener.sequence(),
        [1, 2, 3, 4].filter((seq) => seq >= from),
      );
      listener.close();
    }
    const available = early.frames.find((frame) => frame.type === "change" && frame.seq === 2);
    assert.deepEqual(available.file, first);
    const { changes } = await client.changes();
    assert.deepEqual(
      early.frames.slice(1).map(({ type, ...change }) => change),
      changes,
    );
  });

  test("has no gap and no repeat for listeners who join while uploads run", async () => {
    const client = await stack.guest();
    const running = Array.from({ length: 20 }, () => client.upload(noise(1)));
    const listeners = [];
    for (let index = 0; index < 5; index++) listeners.push(await Listener.open(client, 0));
    await Promise.all(running);
    for (const listener of listeners) {
      await listener.until(40);
      assert.deepEqual(
        listener.sequence(),
        Array.from({ length: 40 }, (_, index) => index + 1),
      );
      listener.close();
    }
  });

  test("resumes after a broken connection where it was", async () => {
    const client = await stack.guest();
    const before = await Listener.open(client, 0);
    await client.open(noise(1));
    await before.until(1);
    before.close();
    await client.open(noise(1));
    const after = await Listener.open(client, before.sequence().at(-1));
    await client.open(noise(1));
    await after.until(3);
    assert.deepEqual([...before.sequence(), ...after.sequence()], [1, 2, 3]);
    after.close();
  });

  test("tells who remembers another feed to begin anew", async () => {
    const client = await stack.guest();
    const listener = await Listener.open(client, 9);
    await eventually(() => listener.frames.length === 2, "hello and reset");
    assert.deepEqual(listener.frames, [
      { type: "hello", seq: 0 },
      { type: "reset", seq: 0 },
    ]);
    listener.close();
  });

  test("hears nothing of another workspace", async () => {
    const [client, other] = [await stack.guest(), await stack.guest()];
    const listener = await Listener.open(client, 0);
    await other.upload(noise(1));
    await client.open(noise(1));
    await listener.until(1);
    assert.equal(listener.frames.length, 2);
    assert.equal(listener.frames[1].file.workspace, client.workspace);
    listener.close();
  });

  test("answers pings, and does not mind whatever else a client says", async () => {
    const client = await stack.guest();
    const listener = await Listener.open(client);
    listener.socket.send("nonsense");
    listener.socket.send("ping");
    await eventually(() => listener.texts.includes("pong"), "a pong");
    await client.open(noise(1));
    await listener.until(1);
    listener.close();
  });

  test("lets nobody in without a token, the protocol, or the scope", async () => {
    const client = await stack.guest();
    const writer = await stack.guest(client.workspace, "files:write");
    const upgrade = (protocols) =>
      stack.coordinator.runtime.dispatchFetch(`${stack.url}/v1/events`, {
        headers: { upgrade: "websocket", ...(protocols && { "sec-websocket-protocol": protocols }) },
      });
    await assertProblem(await upgrade("syncsphere.v1"), "unauthenticated");
    await assertProblem(await upgrade("syncsphere.v1, bearer.nonsense"), "unauthenticated");
    await assertProblem(await upgrade(), "invalid_request");
    await assertProblem(await upgrade(`bearer.${client.token}`), "invalid_request");
    await assertProblem(await upgrade(`syncsphere.v1, bearer.${writer.token}`), "forbidden");
    const plain = await assertProblem(await client.send("GET", "/v1/events"), "invalid_request");
    assert.equal(plain.status, 426);
    const inQuery = await stack.coordinator.runtime.dispatchFetch(
      `${stack.url}/v1/events?token=${client.token}`,
      { headers: { upgrade: "websocket", "sec-websocket-protocol": "syncsphere.v1" } },
    );
    await assertProblem(inQuery, "unauthenticated");
  });
});

describe("a restart of the coordinator", () => {
  test("keeps files, feed and open uploads", async () => {
    const durableDir = await mkdtemp(join(tmpdir(), "syncsphere-durable-"));
    const start = () =>
      startCoordinator({ s3: stack.s3, durableDir, assets: false, vars: { S3_FORMS: "off" } });
    let coordinator = await start();
    try {
      const client = await Client.guest(coordinator.url, "restarted");
      const file = await client.upload(noise(1));
      const bytes = noise(2);
      const grant = await client.open(bytes);
      const before = await client.changes();
      await coordinator.stop();

      coordinator = await start();
      const again = new Client(coordinator.url, client.token, client.workspace);
      assert.deepEqual(await again.changes(), before);
      assert.deepEqual(await again.ask("GET", `/v1/files/${file.fileId}`), file);
      const listener = await Listener.open(again, before.seq - 1);
      await again.sendParts(grant, bytes);
      await again.complete(grant);
      await listener.until(4);
      assert.deepEqual(listener.sequence(), [3, 4]);
      listener.close();
    } finally {
      await coordinator.stop();
      await rm(durableDir, { recursive: true, force: true });
    }
  });
});
