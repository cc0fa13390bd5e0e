// What many, slow, sleeping and returning listeners get: the same changes, each once, in order.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { Listener } from "./listener.mjs";
import { Client, eventually, noise, useStack } from "./support.mjs";

const stack = useStack();

/** Takes the workspace's object out of memory, as the platform does when it sleeps or moves. */
function evict({ workspace }, webSockets) {
  // The only worker of this runtime has no name.
  const object = { name: workspace, webSockets };
  return stack.coordinator.runtime.unsafeEvictDurableObject("", "WorkspaceObject", object);
}

function upTo(last, first = 1) {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Announces files, 50 with one request. */
async function announce(client, count, file = {}) {
  for (let left = count; left > 0; left -= 50) {
    const files = Array.from({ length: Math.min(left, 50) }, () => ({
      clientRef: "f",
      name: "f",
      size: 1,
      ...file,
    }));
    await client.initiate(files);
  }
}

/** Asks for the feed where that is refused. */
async function refusedToListen({ url, token }) {
  const request = httpRequest(`${url}/v1/events`, {
    headers: {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-key": randomBytes(16).toString("base64"),
      "sec-websocket-version": "13",
      "sec-websocket-protocol": `syncsphere.v1, bearer.${token}`,
    },
  });
  request.end();
  const answered = once(request, "response");
  request.once("upgrade", (_, socket) => {
    socket.destroy();
    request.destroy(new Error("the listener was let in"));
  });
  const [response] = await answered;
  return { status: response.statusCode, problem: JSON.parse(await text(response)) };
}

describe("many listeners", () => {
  test("200 uploads finishing at once are the same gapless sequence for five of them", async () => {
    const client = await stack.guest();
    const listeners = [];
    for (let index = 0; index < 5; index++) listeners.push(await Listener.open(client, 0));
    const bytes = noise(1);
    const files = Array.from({ length: 100 }, (_, index) => ({ clientRef: `${index}`, name: "f", size: 1 }));
    const grants = [...(await client.initiate(files)), ...(await client.initiate(files))];
    await inTurns(grants, 20, (grant) => client.sendParts(grant, bytes));
    // Half of them alone, half of them together.
    const batch = grants.slice(100).map(({ uploadId, ticket }) => ({ uploadId, ticket }));
    await Promise.all([
      client.ask("POST", "/v1/uploads/complete", { body: { uploads: batch } }),
      ...grants.slice(0, 100).map((grant) => client.complete(grant)),
    ]);
    const { changes } = await client.changes();
    assert.equal(changes.length, 400);
    for (const listener of listeners) {
      await listener.until(400);
      assert.deepEqual(listener.sequence(), upTo(400));
      assert.deepEqual(
        listener.frames.slice(1).map(({ type, ...change }) => change),
        changes,
      );
      listener.close();
    }
  });

  test("a thousand of one workspace hear everything", async () => {
    const client = await stack.guest();
    await announce(client, 10);
    const listeners = [];
    await inTurns(upTo(1000), 50, async () => listeners.push(await Listener.open(client, 5)));
    await announce(client, 40);
    const isThere = (listener) => listener.frames.at(-1).seq === 50;
    await eventually(() => listeners.every(isThere), "everybody has heard the last change", 60_000);
    for (const listener of listeners) assert.deepEqual(listener.sequence(), upTo(50, 6));
    // That is as many as one subject may have; others are not kept out.
    const { status, problem } = await refusedToListen(client);
    assert.deepEqual([status, problem.code, problem.retryAfter], [429, "rate_limited", 10]);
    const other = await Listener.open(await stack.guest(client.workspace), 50);
    other.close();
    for (const listener of listeners) listener.close();
    await Promise.all(listeners.map((listener) => listener.closed));
    // Nobody is left to be told, and nothing is in the way of those who come.
    const late = await Listener.open(client, 0);
    await late.until(50);
    assert.deepEqual(late.sequence(), upTo(50));
    late.close();
  });

  test("one that stops reading is dropped, and holds up nobody", async () => {
    const client = await stack.guest();
    const attentive = await Listener.open(client, 0);
    const idle = await DeafListener.open(client);
    // 16 KB in each change and 26 MB altogether: more than the buffers between two programs take.
    const metadata = Object.fromEntries(upTo(15).map((index) => [`k${index}`, "x".repeat(1024)]));
    for (let told = 0; told < 1600; told += 50) {
      await client.initiate(upTo(50).map(() => ({ clientRef: "f", name: "f", size: 1, metadata })));
    }
    await attentive.until(1600);
    assert.deepEqual(attentive.sequence(), upTo(1600));
    const { code, changes } = await idle.readOn();
    assert.equal(code, 1013);
    assert.ok(changes < 1600, `it was sent all ${changes} changes`);
    attentive.close();
  });

  test("one that is far behind is brought up page by page while others hear what is new", async () => {
    const client = await stack.guest();
    await announce(client, 1200);
    const live = await Listener.open(client, 1200);
    const behind = await Listener.open(client, 0);
    await announce(client, 100);
    for (const [listener, first] of [
      [live, 1201],
      [behind, 1],
    ]) {
      await listener.until(1300);
      assert.deepEqual(listener.sequence(), upTo(1300, first));
      listener.close();
    }
  });
});

describe("an object that sleeps, moves or starts anew", () => {
  test("goes on for the same listeners when it wakes", async () => {
    const client = await stack.guest();
    const listener = await Listener.open(client, 0);
    await announce(client, 3);
    await listener.until(3);
    for (let round = 1; round <= 3; round++) {
      await evict(client, "hibernate");
      listener.socket.send("ping");
      await eventually(() => listener.texts.filter((text) => text === "pong").length === round, "a pong");
      await announce(client, 3);
      await listener.until(3 + 3 * round);
    }
    assert.deepEqual(listener.sequence(), upTo(12));
    assert.equal(listener.frames.filter((frame) => frame.type === "hello").length, 1);
    listener.close();
  });

  test("loses nothing that was not yet told when it went", async () => {
    const client = await stack.guest();
    const seen = [];
    let since = 0;
    for (let round = 0; round < 5; round++) {
      const listener = await Listener.open(client, since);
      // The second comes within the moment for which changes are held back.
      await Promise.all([announce(client, 1), announce(client, 1), announce(client, 1)]);
      await evict(client, "close");
      await listener.closed;
      seen.push(...listener.sequence());
      since = seen.at(-1) ?? 0;
    }
    const last = await Listener.open(client, since);
    // There may be nothing left to tell.
    if (since < 15) await last.until(15);
    assert.deepEqual([...seen, ...last.sequence()], upTo(15));
    last.close();
  });

  test("replays without gap or repeat after a restart of the runtime under a listener", async () => {
    const durableDir = await mkdtemp(join(tmpdir(), "syncsphere-durable-"));
    const start = () => startCoordinator({ s3: stack.s3, durableDir, assets: false });
    let coordinator = await start();
    try {
      const client = await Client.guest(coordinator.url, "restarted");
      const before = await Listener.open(client, 0);
      await announce(client, 60);
      await before.until(60);
      const rest = announce(client, 50).catch(() => {}); // the restart may come in between
      await coordinator.stop();
      await rest;
      await before.closed;

      coordinator = await start();
      const again = new Client(coordinator.url, client.token, client.workspace);
      const after = await Listener.open(again, before.sequence().at(-1));
      await announce(again, 5);
      const { seq } = await again.changes();
      await after.until(seq);
      assert.deepEqual([...before.sequence(), ...after.sequence()], upTo(seq));
      after.close();
    } finally {
      await coordinator.stop();
      await rm(durableDir, { recursive: true, force: true });
    }
  });
});

/** Does something for each, some at a time. */
async function inTurns(items, atOnce, work) {
  const waiting = [...items];
  const worker = async () => {
    while (waiting.length > 0) await work(waiting.pop());
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** A client that opens a WebSocket and then reads nothing. */
class DeafListener {
  static async open(client) {
    const { hostname, port, host } = new URL(client.url);
    const listener = new DeafListener();
    listener.socket = connect({ host: hostname, port: Number(port) });
    listener.socket.on("error", () => {});
    listener.socket.write(
      [
        "GET /v1/events HTTP/1.1",
        `Host: ${host}`,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
        `Sec-WebSocket-Protocol: syncsphere.v1, bearer.${client.token}`,
        "\r\n",
      ].join("\r\n"),
    );
    listener.received = [];
    await new Promise((resolve, reject) => {
      listener.socket.once("error", reject);
      listener.socket.once("data", (head) => {
        assert.match(head.toString("latin1"), /^HTTP\/1.1 101 /);
        listener.socket.pause();
        listener.received.push(head);
        resolve();
      });
    });
    return listener;
  }

  /** Reads what has come meanwhile, up to the close frame: its code, and how many changes came before. */
  async readOn() {
    const closed = new Promise((resolve) => {
      this.socket.once("end", resolve);
      this.socket.once("close", resolve);
    });
    this.socket.on("data", (data) => {
      this.received.push(data);
      // Whoever is asked to close has to answer before the other side ends the connection.
      if (closeCode(this.received.at(-1))) this.socket.end(MASKED_CLOSE);
    });
    this.socket.resume();
    await closed;
    this.socket.destroy();
    const bytes = Buffer.concat(this.received);
    const changes = bytes.toString("latin1").split('"type":"change"').length - 1;
    return { code: closeCode(bytes), changes };
  }
}

/** A close frame as a client sends it. Source: RFC 6455 sections 5.2 and 5.5.1. */
const MASKED_CLOSE = Buffer.from([0x88, 0x80, 0, 0, 0, 0]);

/** The code of a close frame at the end of what a server sent. */
function closeCode(bytes) {
  const start = bytes.lastIndexOf(0x88);
  const isLast = start >= 0 && bytes[start + 1] >= 2 && start + 2 + bytes[start + 1] === bytes.length;
  return isLast ? bytes.readUInt16BE(start + 2) : undefined;
}
