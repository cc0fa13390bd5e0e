// The thread of link.mjs.

import { createConnection, createServer } from "node:net";
import { parentPort, workerData } from "node:worker_threads";

let shape = { roundTripMs: 0, perConnection: Infinity, total: Infinity };
let total = pace(Infinity);
let firstPut;
let sent = 0;

const server = createServer({ noDelay: true }, (client) => {
  const upstream = createConnection({ ...workerData, noDelay: true });
  const oneWay = shape.roundTripMs / 2;
  // The kernel has shaken hands with the client already; over a real line that takes one round trip.
  const openAt = performance.now() + shape.roundTripMs;
  const own = pace(shape.perConnection);
  client.prependListener("data", noticePut);
  client.prependListener("data", ({ length }) => (sent += length));
  carry(client, upstream, (bytes) => Math.max(openAt, own(bytes), total(bytes)) + oneWay);
  carry(upstream, client, () => performance.now() + oneWay);
});

server.listen(0, "127.0.0.1", () => parentPort.postMessage({ port: server.address().port }));

parentPort.on("message", ({ type, ...wanted }) => {
  if (type === "shape") {
    shape = wanted;
    total = pace(shape.total);
    parentPort.postMessage({});
  } else {
    parentPort.postMessage({ firstPut, sent });
    firstPut = undefined;
    sent = 0;
  }
});

function noticePut(chunk) {
  if (firstPut === undefined && chunk.subarray(0, 4).equals(PUT)) firstPut = Date.now();
}

const PUT = Buffer.from("PUT ");

/** Answers when so many bytes have passed at this speed, all that came before included. */
function pace(perSecond) {
  let freeAt = 0;
  return (bytes) => {
    freeAt = Math.max(freeAt, performance.now()) + (bytes / perSecond) * 1000;
    return freeAt;
  };
}

/** Passes on what `from` says, each slice when `arrival` says; breaks `to` when `from` breaks. */
function carry(from, to, arrival) {
  const queue = [];
  let queued = 0;
  let timer;
  let full = false;

  from.on("data", (chunk) => {
    for (let at = 0; at < chunk.length; at += SLICE) {
      const slice = chunk.subarray(at, at + SLICE);
      queue.push({ slice, at: arrival(slice.length) });
    }
    queued += chunk.length;
    if (queued >= MOST_QUEUED) from.pause();
    schedule();
  });
  from.on("end", () => {
    queue.push({ slice: null, at: arrival(0) });
    schedule();
  });
  from.on("error", () => to.resetAndDestroy());
  from.on("close", () => {
    if (!from.readableEnded) to.resetAndDestroy();
  });

  function schedule() {
    if (timer === undefined && queue.length > 0 && !full) {
      timer = setTimeout(deliver, Math.max(0, queue[0].at - performance.now()));
    }
  }

  function deliver() {
    timer = undefined;
    const now = performance.now() + TIMER_GRAIN_MS;
    while (queue.length > 0 && queue[0].at <= now) {
      const { slice } = queue.shift();
      if (to.destroyed) return;
      if (slice === null) return void to.end();
      queued -= slice.length;
      if (!to.write(slice)) {
        full = true;
        return;
      }
    }
    deliverMore();
  }

  to.on("drain", () => {
    full = false;
    deliverMore();
  });

  function deliverMore() {
    if (queued < MOST_QUEUED && from.isPaused()) from.resume();
    schedule();
  }
}

// Small against a part, so that a limit feels even. Source: own choice, the size of the chunks that Node reads.
const SLICE = 64 * 1024;

// Above what is on its way at 40 MB/s in a quarter of a second; more would only hide a slow line from the client.
// Source: own choice
const MOST_QUEUED = 512 * 1024;

// Source: Node's timers have a resolution of 1 ms
const TIMER_GRAIN_MS = 0.5;
