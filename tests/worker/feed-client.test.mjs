// The npm package's side of the change feed, as its worker runs it, on connections that break in every way.
import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { ChangeFeeds } from "../../uploader-wasm/npm/src/worker/change-feeds.ts";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { Client, eventually, useStack } from "./support.mjs";

const stack = useStack();

// Short waits, where nothing else is said.
const random = Math.random;
before(() => (Math.random = () => 0.02));
after(() => (Math.random = random));

describe("the client's feed", () => {
  test("goes on after every broken connection where it was, and says whether it is live", async () => {
    const client = await stack.guest();
    const relay = await Relay.to(client.url);
    const feed = Follower.of(client, relay, { since: 0 });
    for (let round = 1; round <= 5; round++) {
      await client.initiate([file(), file()]);
      relay.cut();
      await client.initiate([file()]);
      await feed.until(3 * round);
    }
    assert.deepEqual(feed.sequence(), upTo(15));
    await eventually(() => feed.live.at(-1) === true, "it is live");
    assert.ok(feed.live.filter((live) => !live).length >= 5);
    feed.close();
    await eventually(() => relay.open === 0, "the connection ends");
  });

  test("waits longer each time, and for a random part of that", async () => {
    const client = await stack.guest();
    const relay = await Relay.to(client.url);
    relay.refuses = true;
    const {
      setTimeout,
      Math: { random },
    } = globalThis;
    const restore = () => {
      globalThis.setTimeout = setTimeout;
      Math.random = random;
    };
    after(restore);
    for (const part of [0.0005, 0.002]) {
      const waits = [];
      globalThis.setTimeout = (call, wait, ...rest) => {
        waits.push(wait);
        return setTimeout(call, wait, ...rest);
      };
      Math.random = () => part;
      relay.attempts = 0;
      const feed = Follower.of(client, relay, {});
      await eventually(() => relay.attempts >= 8, "attempts");
      feed.close();
      restore();
      const seconds = [1, 2, 4, 8, 16, 30, 30];
      // Others set timers, too, but hardly ones like these.
      const expected = seconds.map((second) => second * 1000 * part);
      assert.deepEqual(waits.filter((wait) => expected.includes(wait)).slice(0, 7), expected);
      assert.equal(feed.live.includes(true), false);
    }
  });

  test("connects at once when the network is back", async () => {
    const client = await stack.guest();
    const relay = await Relay.to(client.url);
    relay.refuses = true;
    const short = Math.random;
    after(() => (Math.random = short));
    Math.random = () => (relay.attempts < 4 ? short() : 1);
    const feed = Follower.of(client, relay, { since: 0 });
    await eventually(() => relay.attempts === 4, "it waits for eight seconds now");
    relay.refuses = false;
    const began = Date.now();
    feed.feeds.setOnline(true);
    await eventually(() => feed.live.at(-1) === true, "it is live");
    assert.ok(Date.now() - began < 6_000);
    Math.random = short;
    feed.close();
  });

  test("connects soon when the network is back during an attempt that still fails", async () => {
    const client = await stack.guest();
    const relay = await Relay.to(client.url);
    relay.refuses = true;
    relay.holds = 4;
    const short = Math.random;
    after(() => (Math.random = short));
    Math.random = () => (relay.attempts < 4 ? short() : 1);
    const feed = Follower.of(client, relay, { since: 0 });
    await eventually(() => relay.held.length === 1, "the fourth attempt is under way");
    feed.feeds.setOnline(true);
    relay.refuses = false;
    const began = Date.now();
    relay.held.forEach((near) => near.destroy());
    await eventually(() => feed.live.at(-1) === true, "it is live");
    assert.ok(Date.now() - began < 6_000, "not after the eight seconds of a fifth attempt");
    Math.random = short;
    feed.close();
  });

  test("tells of a reset once, and goes on from there", async () => {
    const vars = { CHANGES_TTL_SECONDS: "1" };
    const coordinator = await startCoordinator({ s3: stack.s3, vars, assets: false });
    after(() => coordinator.stop());
    const client = await Client.guest(coordinator.url, "forgetful");
    const relay = await Relay.to(client.url);
    await client.initiate([file(), file(), file()]);
    await eventually(async () => (await client.changes(1)).reset === 3, "the oldest changes go");
    const feed = Follower.of(client, relay, { since: 1 });
    await eventually(() => feed.changes.length === 1, "the reset");
    relay.cut();
    await client.initiate([file(), file()]);
    await feed.until(5);
    assert.deepEqual(
      feed.changes.map(({ type, seq }) => [type, seq]),
      [
        ["reset", 3],
        ["change", 4],
        ["change", 5],
      ],
    );
    feed.close();
  });

  test("notices a connection that is dead without having ended", async () => {
    const client = await stack.guest();
    const relay = await Relay.to(client.url);
    const feed = Follower.of(client, relay, { since: 0, beat: 200 });
    await eventually(() => feed.live.at(-1) === true, "it is live");
    // Answered pings keep it.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.deepEqual(feed.live, [true]);
    relay.swallow();
    await client.initiate([file()]);
    await feed.until(1);
    assert.deepEqual(feed.live.slice(0, 2), [true, false]);
    feed.close();
  });

  test("asks for another token where the last one is refused, and fails where there is none", async () => {
    const client = await stack.guest();
    const relay = await Relay.to(client.url);
    const tokens = ["bearer.of-nothing", client.token];
    const asked = [];
    const feed = Follower.of(client, relay, {
      since: 0,
      get: async (stale) => {
        asked.push(stale);
        return tokens.length > 1 ? tokens.shift() : tokens[0];
      },
    });
    await eventually(() => feed.live.at(-1) === true, "it is live");
    assert.deepEqual(asked.slice(0, 2), [undefined, "bearer.of-nothing"]);
    feed.close();

    const lost = Follower.of(client, relay, {
      get: async () => {
        throw new Error("nobody is signed in");
      },
    });
    await eventually(() => lost.failure, "it fails");
    assert.equal(lost.failure.code, "unauthenticated");
  });
});

function file() {
  return { clientRef: "f", name: "f", size: 1 };
}

function upTo(last) {
  return Array.from({ length: last }, (_, index) => index + 1);
}

/** What a page would hear. */
class Follower {
  changes = [];
  live = [];
  failure;

  static of(client, relay, { since, beat, get = async () => client.token }) {
    const follower = new Follower();
    const say = (message) => {
      if (message.type === "change") follower.changes.push(message.change);
      if (message.type === "feedLive") follower.live.push(message.live);
      if (message.type === "feedFailed") follower.failure = message.failure;
    };
    follower.feeds = new ChangeFeeds(relay.url, { get }, say, beat);
    follower.feeds.open(1, since);
    return follower;
  }

  sequence() {
    return this.changes.map((change) => change.seq);
  }

  until(seq) {
    return eventually(() => this.sequence().includes(seq), `change ${seq}`);
  }

  close() {
    this.feeds.close(1);
  }
}

/** Passes connections on to the coordinator, until it is told not to. */
class Relay {
  refuses = false;
  /** Number of the connection that is taken and neither answered nor closed. */
  holds = 0;
  held = [];
  attempts = 0;
  #pairs = new Set();

  static async to(url) {
    const relay = new Relay();
    const { hostname: host, port } = new URL(url);
    const server = createServer((near) => relay.#take(near, { host, port: Number(port) }));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    after(() => {
      relay.cut();
      server.close();
    });
    relay.url = `http://127.0.0.1:${server.address().port}`;
    return relay;
  }

  get open() {
    return this.#pairs.size;
  }

  /** Every connection breaks. */
  cut() {
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }

  /** Nothing comes through the connections there are, and nobody is told. */
  swallow() {
    for (const { near, far } of this.#pairs) {
      near.unpipe(far);
      far.unpipe(near);
      near.resume();
      far.resume();
    }
  }

  #take(near, target) {
    near.on("error", () => {});
    this.attempts++;
    if (this.attempts === this.holds) return void this.held.push(near);
    if (this.refuses) return near.destroy();
    const far = connect(target);
    far.on("error", () => {});
    const pair = { near, far };
    this.#pairs.add(pair);
    near.pipe(far);
    far.pipe(near);
    const end = () => {
      near.destroy();
      far.destroy();
      this.#pairs.delete(pair);
    };
    near.on("close", end);
    far.on("close", end);
  }
}
