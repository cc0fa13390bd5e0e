// Load on an HTTP server: undici's pool, and the histogram of Node's perf_hooks.

import { createHistogram } from "node:perf_hooks";
import { Pool } from "undici";

/**
 * Sends the same request over and over on each connection, for so many seconds after a first tenth that does not count.
 *
 * @returns {Promise<Figures>}
 * @typedef {{perSecond: number, p50: number, p99: number, told: {total: number, storage: number, ledger: number}}} Figures
 *   milliseconds; `told` are medians of what `Server-Timing` says, zero where it says nothing
 */
export async function callFor(seconds, origin, connections, request) {
  const pool = new Pool(origin, { connections });
  try {
    await repeat(pool, connections, (seconds * 1000) / 10, request, new Tally());
    const tally = new Tally();
    await repeat(pool, connections, seconds * 1000, request, tally);
    return tally.figures();
  } finally {
    await pool.close();
  }
}

/** Sends `count` different requests, each once; `heard` gets each reply's body. The figures are the same. */
export async function callEach(origin, connections, count, request, heard = () => {}) {
  const pool = new Pool(origin, { connections });
  const tally = new Tally();
  let next = 0;
  const one = async () => {
    while (next < count) heard(await call(pool, request(next++), tally));
  };
  try {
    await Promise.all(Array.from({ length: connections }, one));
    return tally.figures();
  } finally {
    await pool.close();
  }
}

async function repeat(pool, connections, milliseconds, request, tally) {
  const end = performance.now() + milliseconds;
  const one = async () => {
    do await call(pool, request, tally);
    while (performance.now() < end);
  };
  await Promise.all(Array.from({ length: connections }, one));
}

async function call(pool, request, tally) {
  const began = process.hrtime.bigint();
  const { statusCode, headers, body } = await pool.request(request);
  const text = await body.text();
  tally.add(process.hrtime.bigint() - began, headers["server-timing"]);
  if (statusCode !== 200)
    throw new Error(`${request.method} ${request.path.split("?")[0]}: ${statusCode} ${text}`);
  return text;
}

class Tally {
  #latencies = createHistogram();
  #told = { total: createHistogram(), storage: createHistogram(), ledger: createHistogram() };
  #began = performance.now();
  #ended = this.#began;

  add(nanoseconds, serverTiming = "") {
    this.#ended = performance.now();
    this.#latencies.record(nanoseconds);
    for (const [what, histogram] of Object.entries(this.#told)) {
      const duration = new RegExp(`${what};dur=(\\d+)`).exec(serverTiming);
      // A histogram holds nothing below one.
      if (duration) histogram.record(Number(duration[1]) + 1);
    }
  }

  figures() {
    const milliseconds = (percentile) => this.#latencies.percentile(percentile) / 1e6;
    return {
      perSecond: this.#latencies.count / ((this.#ended - this.#began) / 1000),
      p50: milliseconds(50),
      p99: milliseconds(99),
      told: Object.fromEntries(
        Object.entries(this.#told).map(([what, histogram]) => [
          what,
          histogram.count > 0 ? histogram.percentile(50) - 1 : 0,
        ]),
      ),
    };
  }
}
