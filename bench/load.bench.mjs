// How many the coordinator serves, beside Uppy's Companion, for the same calls on the same storage.

import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { startCoordinator } from "../stack/coordinator.mjs";
import { makeRunFolder } from "../stack/run-folder.mjs";
import { startSeaweed } from "../stack/seaweed.mjs";
import { atLeast, atMost, benchCase, times } from "./support/case.mjs";
import { contest } from "./support/contest.mjs";
import { callsOfCompanion, callsOfOurs } from "./support/coordinators.mjs";
import { callEach, callFor } from "./support/load.mjs";
import { processorSeconds } from "./support/machine.mjs";
import { startPeers } from "./support/peers.mjs";

const CONTESTANTS = [
  { name: "ours", label: "SyncSphere in workerd" },
  { name: "companion", label: "Companion 6.2 in Node" },
];

// URLs of one request: as many as ours gives.
const BATCH = 100;

// Source: issue 15, section 1: what a thousand uploads at once may take.
const AT_ONCE_SECONDS = 6;

// Requests at a time that open uploads; each has a connection, and both servers have but so many files open.
const OPENERS = 256;

// Source: https://developers.cloudflare.com/workers/platform/limits/, worker size and start-up time
const LIMITS = { freeBytes: 3e6, startUpSeconds: 1 };

const COMPLETE_REASON =
  "a completion asks storage for the parts and has them assembled, and the workspace twice, where Companion asks storage once and writes " +
  "nothing: docs/coordinator.md says what each takes";

const REASON =
  "more than half of what a request for a URL costs workerd is spent before and after any code of ours, as the row of a request without work " +
  "shows; docs/coordinator.md counts the instructions of the rest";

await benchCase({
  heading: "The coordinator under load",
  async measure({ quick, rounds }) {
    const size = quick
      ? { seconds: 0.5, uploads: 4, atOnce: 50, open: 200, connections: 8 }
      : { seconds: 5, uploads: 100, atOnce: 1_000, open: 10_000, connections: 32 };
    const cleanUps = [];
    try {
      const stack = await startStack(cleanUps);
      const standings = await contest(CONTESTANTS, { rounds, quick }, ({ name }) => run(stack[name], size));
      const atOnce = await completeAtOnce(stack.ours, size.atOnce);
      const open = await openMany(await callsOfOurs(stack.ours.origin), size.open);
      return await report({ standings, size, atOnce, open, startUp: stack.startUp });
    } finally {
      for (const cleanUp of cleanUps.reverse()) await cleanUp();
    }
  },
});

async function startStack(cleanUps) {
  const folder = await makeRunFolder();
  cleanUps.push(() => folder.remove());
  const server = await startSeaweed();
  cleanUps.push(() => server.stop());
  const { endpoint, accessKeyId, secretAccessKey, bucket, region } = server;
  const s3 = { endpoint, publicEndpoint: endpoint, accessKeyId, secretAccessKey, bucket, region };

  const coordinator = await startCoordinator({
    s3,
    assets: false,
    edge: false,
    // Forms are for browsers, which they spare preflights.
    vars: { S3_FORMS: "off" },
    // Straight into the worker: no deployment has Miniflare's own before it.
    adjust: (options) => ({ ...options, unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] }),
  });
  cleanUps.push(() => coordinator.stop());
  const { origin } = await coordinator.runtime.unsafeGetDirectURL();
  await (await fetch(`${origin}/.well-known/jwks.json`)).arrayBuffer();
  const startUp = await processorSeconds("workerd");

  const peers = await startPeers({ s3, pages: folder.path, folder: folder.path });
  cleanUps.push(() => peers.stop());
  return {
    startUp,
    ours: await callsOfOurs(origin),
    companion: await callsOfCompanion(peers.url),
  };
}

/** Each call of a server under load, one kind after the other. */
async function run(server, { seconds, uploads, connections }) {
  const began = performance.now();
  const { origin } = server;
  const one = await callFor(seconds, origin, connections, server.sign(1));
  const batch = await callFor(seconds, origin, connections, server.sign(BATCH));

  const nothing = server.nothing && (await callFor(seconds, origin, connections, server.nothing));
  const opened = [];
  const initiate = await callEach(
    origin,
    connections,
    uploads,
    () => server.initiate(),
    (reply) => {
      opened.push(server.opened(reply));
    },
  );
  for (const upload of opened) await server.send(upload);
  const complete = await callEach(origin, connections, uploads, (index) => server.complete(opened[index]));
  return { seconds: (performance.now() - began) / 1000, calls: { nothing, one, batch, initiate, complete } };
}

/** So many uploads at once, each of one part, to the last that is available; how many failed, and how long it took. */
async function completeAtOnce(ours, count) {
  const began = performance.now();
  const opened = await Promise.allSettled(Array.from({ length: count }, () => ours.openSmall()));
  // All are open now.
  const sent = await Promise.allSettled(opened.map(({ value }) => ours.sendSmall(value)));
  const completed = await Promise.allSettled(opened.map(({ value }) => ours.completeSmall(value)));
  const failures = [opened, sent, completed].flat().filter(({ status }) => status === "rejected");
  return {
    count,
    failed: failures.length,
    first: failures[0]?.reason.message,
    seconds: (performance.now() - began) / 1000,
  };
}

/** So many uploads that are open at the same time, opened by requests of one each; how many failed. */
async function openMany({ origin, initiateSmall, opened }, count) {
  const failures = [];
  const check = (reply) => {
    try {
      opened(reply);
    } catch (error) {
      failures.push(error);
    }
  };
  const began = performance.now();
  // The large one is open already.
  await callEach(origin, OPENERS, count - 1, initiateSmall, check);
  return {
    count,
    failed: failures.length,
    first: failures[0]?.message,
    seconds: (performance.now() - began) / 1000,
  };
}

async function report({ standings, size, atOnce, open, startUp }) {
  const perSecond = (name, call) => standings.median(name, (result) => result.calls[call].perSecond);
  const ratio = (call, urls = 1) => (urls * perSecond("ours", call)) / perSecond("companion", call);
  const row = ([call, label]) => [
    label,
    ...CONTESTANTS.flatMap(({ name }) => [
      standings.spread(name, 0, (result) => result.calls[call].perSecond),
      `${figure(standings, name, call, "p50")} / ${figure(standings, name, call, "p99")}`,
    ]),
    times(ratio(call)),
  ];
  const script = await scriptSize();
  const nothing = [
    "no work: the public keys",
    standings.spread("ours", 0, (result) => result.calls.nothing.perSecond),
    `${figure(standings, "ours", "nothing", "p50")} / ${figure(standings, "ours", "nothing", "p99")}`,
    ...["–", "–", "–"],
  ];
  return {
    note:
      `${size.connections} connections that each send the next request when the last is answered (undici), for ${size.seconds} s a call, ` +
      `or ${size.uploads} uploads of two parts; storage, both servers and the load share the machine. ` +
      `Uppy's pages ask Companion for one URL a request, which is what the first goal compares with; it can sign ${BATCH} a request too, as the table shows. ` +
      `Ours keeps a durable ledger of every upload, all of one workspace here, and asks storage itself before it completes; Companion does neither. ` +
      `The coordinator's own waiting as its Server-Timing tells it, median in ms: ${waiting(standings)}. ` +
      `${atOnce.count} uploads at once, each of one part, took ${atOnce.seconds.toFixed(1)} s to the last that was available; ` +
      `to open ${open.count} by as many requests, ${OPENERS} at a time, took ${open.seconds.toFixed(1)} s.`,
    columns: [
      "call",
      ...CONTESTANTS.flatMap(({ label }) => [`${label}: requests/s (range)`, "p50 / p99, ms"]),
      "ours is faster by",
    ],
    rows: [
      nothing,
      ...[
        ["one", "one signed URL"],
        ["batch", `${BATCH} signed URLs`],
        ["initiate", "initiate (multipart)"],
        ["complete", "complete (two parts)"],
      ].map(row),
    ],
    goals: [
      atLeast(
        `signed URLs a second, ${BATCH} a request, at least 20 × Companion's as Uppy asks for them`,
        (BATCH * perSecond("ours", "batch")) / perSecond("companion", "one"),
        20,
        times((BATCH * perSecond("ours", "batch")) / perSecond("companion", "one")),
      ),
      atLeast("requests a second for one URL, at least 4 ×", ratio("one"), 4, times(ratio("one")), REASON),
      atLeast("initiate, at least as many a second", ratio("initiate"), 1, times(ratio("initiate"))),
      atLeast(
        "complete, at least as many a second",
        ratio("complete"),
        1,
        times(ratio("complete")),
        COMPLETE_REASON,
      ),
      atMost(
        `${atOnce.count} uploads at once, each of one part, in under ${AT_ONCE_SECONDS} s`,
        atOnce.seconds,
        AT_ONCE_SECONDS,
        `${atOnce.seconds.toFixed(1)} s`,
      ),
      ...[
        [`no error in ${atOnce.count} uploads at once`, atOnce],
        [`no error with ${open.count} uploads open at the same time`, open],
      ].map(([goal, { failed, first }]) => atMost(goal, failed, 0, `${failed} errors`, first)),
      atMost("script under 3 MB gzip (the free plan)", script, LIMITS.freeBytes, `${script} bytes`),
      atMost(
        "start-up under 1 s of CPU, all of workerd and Miniflare's workers included",
        startUp,
        LIMITS.startUpSeconds,
        `${startUp.toFixed(2)} s`,
      ),
    ],
    othersLoad: standings.othersLoad(),
    raw: standings.raw(),
  };
}

function figure(standings, name, call, which) {
  return standings.median(name, (result) => result.calls[call][which]).toFixed(1);
}

function waiting(standings) {
  const calls = [
    ["initiate", "initiate"],
    ["one", "parts"],
    ["complete", "complete"],
  ];
  const told = calls.map(([call, label]) => {
    const of = (what) => standings.median("ours", (result) => result.calls[call].told[what]).toFixed(0);
    return `${label} ${of("total")} (storage ${of("storage")}, ledger ${of("ledger")})`;
  });
  return told.join(", ");
}

async function scriptSize() {
  const folder = fileURLToPath(new URL("../edge-coordinator/build", import.meta.url));
  let size = 0;
  for (const file of await readdir(folder, { recursive: true })) {
    if (/\.(js|mjs|wasm)$/.test(file)) size += gzipSync(await readFile(join(folder, file))).length;
  }
  return size;
}
