// One workspace as it grows: changes, listeners, replays and listings. Storage has no part in any of it.

import { startSeaweed } from "../stack/seaweed.mjs";
import { atMost, benchCase } from "./support/case.mjs";
import { settle, watchOthers } from "./support/machine.mjs";
import { Workspace } from "./support/workspace.mjs";

/** Changes on a page. */
const PAGE = 100;

// Source: issue 15, section 1.
const CROWD_MS = 100;

await benchCase({
  heading: "One workspace",
  async measure({ quick, rounds }) {
    const sizes = quick ? [200, 1_000] : [1_000, 10_000, 100_000, 1_000_000];
    const crowd = quick ? 50 : 1_000;
    const kept = quick ? 200 : 10_000;
    const s3 = await startSeaweed();
    await settle();
    const others = await watchOthers();
    const raw = {};
    for (const size of sizes) {
      const of = (raw[size] = []);
      for (let round = 0; round < rounds; round++) {
        const workspace = await Workspace.filled(s3, size, kept);
        of.push({
          listings: await listings(workspace, size),
          replay: await replay(workspace, kept),
          pages: await pages(workspace, kept),
          alone: await latencies(workspace, 1, quick ? 5 : 50),
          crowd: await latencies(workspace, crowd, quick ? 5 : 50),
          together: await rate(workspace, 100, 2, quick ? 500 : 3_000),
          single: await rate(workspace, 1, 16, quick ? 500 : 3_000),
        });
        await workspace.remove();
      }
    }
    const othersLoad = await others();
    await s3.stop();

    const row = (label, value, digits = 1) => [
      label,
      ...sizes.map((size) => spread(raw[size].map(value), digits)),
    ];
    const latency = (name, part) => (result) => quantile(result[name], part);
    const listed = (name) => (result) => quantile(result.listings[name], 0.5);
    return {
      note:
        `A Durable Object in workerd, whose database was filled with that many available files and the latest ${number(kept)} changes; ` +
        `median (range) of ${rounds} rounds, each in a fresh one. A change is a \`single\` upload that is initiated, which asks storage ` +
        "nothing. Latency: from sending that request until a listener has the frame, one change each 50 ms or more; client, " +
        "listeners (one Node process, `ws`) and coordinator share the machine.",
      columns: ["", ...sizes.map((size) => `${number(size)} files`)],
      rows: [
        row("changes a second, 100 in a request", (result) => result.together, 0),
        row("changes a second, 1 in a request, 16 requests at once", (result) => result.single, 0),
        row("latency to 1 listener, p50, ms", latency("alone", 0.5)),
        row("latency to 1 listener, p99, ms", latency("alone", 0.99)),
        row(`latency to ${number(crowd)} listeners, p50, ms`, latency("crowd", 0.5)),
        row(`latency to ${number(crowd)} listeners, p99, ms`, latency("crowd", 0.99)),
        row(`replay of ${number(kept)} changes over WebSocket, ms`, (result) => result.replay, 0),
        row(`the same by \`GET /v1/changes\`, ${kept / PAGE} requests, ms`, (result) => result.pages, 0),
        row("a page of 100 files, newest, ms", listed("newest")),
        row("a page from the middle, ms", listed("middle")),
        row("a page by beginning of the name, ms", listed("named")),
        row("a page of one folder by name, ms", listed("folder")),
        row("a page of one folder, newest, of a state that no file has, ms", listed("none")),
      ],
      goals: sizes.map((size) => {
        const p99 = quantile(raw[size].map(latency("crowd", 0.99)), 0.5);
        const goal = `p99 to ${number(crowd)} listeners under ${CROWD_MS} ms, at ${number(size)} files`;
        return atMost(goal, p99, CROWD_MS, `${p99.toFixed(1)} ms`);
      }),
      othersLoad,
      raw,
    };
  },
});

/** Changes a second that come about by requests of so many, so many requests at once. */
async function rate(workspace, count, atOnce, milliseconds) {
  await workspace.becomeAnother();
  const start = performance.now();
  let changes = 0;
  const client = async () => {
    while (performance.now() - start < milliseconds) {
      await workspace.announce(count);
      changes += count;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, client));
  return changes / ((performance.now() - start) / 1000);
}

/** How long each listener waited for each change, in ms. */
async function latencies(workspace, listeners, changes) {
  let sentAt;
  let told;
  const waited = [];
  let allTold = () => {};
  const hear = () => {
    waited.push(performance.now() - sentAt);
    if (++told === listeners) allTold();
  };
  const sockets = [];
  for (let left = listeners; left > 0; left -= 50) {
    const some = Array.from({ length: Math.min(50, left) }, () => workspace.listen(undefined, hear));
    sockets.push(...(await Promise.all(some)));
  }
  for (let change = 0; change < changes; change++) {
    // The first after a pause is told at once; what follows would wait for its batch.
    await new Promise((resolve) => setTimeout(resolve, 50));
    told = 0;
    const everybody = new Promise((resolve) => (allTold = resolve));
    sentAt = performance.now();
    await Promise.all([everybody, workspace.announce(1)]);
  }
  const closed = sockets.map((socket) => new Promise((resolve) => (socket.onclose = resolve)));
  for (const socket of sockets) socket.close();
  await Promise.all(closed);
  return waited;
}

/** Milliseconds until a listener has heard the latest so many changes. */
async function replay(workspace, count) {
  const start = performance.now();
  let heard = 0;
  let done;
  const all = new Promise((resolve) => (done = resolve));
  const socket = await workspace.listen(workspace.seq - count, () => {
    if (++heard === count) done();
  });
  await all;
  const took = performance.now() - start;
  socket.close();
  return took;
}

async function pages(workspace, count) {
  const start = performance.now();
  let since = workspace.seq - count;
  while (since < workspace.seq) {
    const { changes } = await workspace.get(`/v1/changes?since=${since}&limit=${PAGE}`);
    since = changes.at(-1).seq;
  }
  return performance.now() - start;
}

/** Milliseconds that each listing took, 20 times each. */
async function listings(workspace, size) {
  const middle = Buffer.from(
    JSON.stringify({
      by: "time",
      createdAt: new Date((1_700_000_000 + size / 2) * 1000).toISOString(),
      seq: size / 2,
    }),
  ).toString("base64url");
  const queries = {
    newest: "",
    middle: `cursor=${middle}`,
    named: "name=file%200000",
    folder: "path=folder&name=",
    none: "path=folder&status=expired,aborted",
  };
  const took = {};
  for (const [name, query] of Object.entries(queries)) {
    took[name] = [];
    for (let time = 0; time < 20; time++) {
      const start = performance.now();
      const { files } = await workspace.get(`/v1/files?${query}`);
      took[name].push(performance.now() - start);
      if ((files.length === 0) !== (name === "none")) throw new Error(`${name}: ${files.length} files`);
    }
  }
  return took;
}

function quantile(values, part) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}

function spread(values, digits) {
  const shown = (value) => value.toFixed(digits);
  const middle = shown(quantile(values, 0.5));
  return values.length === 1
    ? middle
    : `${middle} (${shown(Math.min(...values))} to ${shown(Math.max(...values))})`;
}

function number(value) {
  return value.toLocaleString("en");
}
