// Webhooks and the queue: how long after a change its message comes, in the calm and beside an endpoint that never answers,
// and how many a second go out after an outage.

import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { startCoordinator } from "../stack/coordinator.mjs";
import { startSeaweed } from "../stack/seaweed.mjs";
import { benchCase } from "./support/case.mjs";
import { FILES_PER_REQUEST, guest } from "./support/guest.mjs";
import { settle, watchOthers } from "./support/machine.mjs";

/** A queue's consumer that tells the sink what it gets. */
const CONSUMER = `export default {
  fetch() { return new Response("") },
  async queue(batch, env) {
    const body = JSON.stringify({ queued: batch.messages.map(({ body }) => body) });
    await fetch(env.SINK, { method: "POST", body });
  },
}`;

await benchCase({
  heading: "Events",
  async measure({ quick, rounds }) {
    const calmChanges = quick ? 20 : 100;
    const missed = quick ? 200 : 2_000;
    const s3 = await startSeaweed();
    const sink = await startSink();
    const results = [];
    let others;
    for (let round = 0; round < rounds; round++) {
      const alone = await startStack(s3, sink, ["hook"]);
      await settle();
      others ??= await watchOthers();
      const calm = await lags(alone, sink, `calm-${round}`, calmChanges);
      sink.isAway = true;
      const late = await guest(alone.url, `late-${round}`);
      for (let sent = 0; sent < missed; sent += FILES_PER_REQUEST) await late.open(FILES_PER_REQUEST);
      sink.isAway = false;
      await sink.until(() => sink.of("/hook", late).length === missed);
      const arrived = sink.of("/hook", late).map(({ at }) => at);
      const drainSeconds = (Math.max(...arrived) - Math.min(...arrived)) / 1000;
      await alone.stop();
      const beside = await startStack(s3, sink, ["hook", "hole"]);
      const besideHole = await lags(beside, sink, `hole-${round}`, calmChanges);
      await beside.stop();
      results.push({ calm, besideHole, drainSeconds });
    }
    const othersLoad = await others();
    await sink.stop();
    await s3.stop();

    const spread = (value, digits) => {
      const values = results.map(value).sort((one, other) => one - other);
      const [low, high] = [values[0], values.at(-1)].map((number) => number.toFixed(digits));
      return `${values[Math.floor(values.length / 2)].toFixed(digits)} (${low} to ${high})`;
    };
    const both = (of, name) =>
      `${spread((result) => result[of][name].p50, 0)}; ${spread((result) => result[of][name].p99, 0)}`;
    return {
      note:
        `A webhook's endpoint in Node and a queue's consumer in Miniflare, with workerd and storage on this machine, ${rounds} rounds. ` +
        `${calmChanges} changes, one each 50 ms; then ${missed} changes while the endpoint was away.`,
      columns: ["what", "median (range)"],
      rows: [
        ["from a change to its webhook, p50; p99, ms", both("calm", "/hook")],
        ["the same beside a webhook that never answers", both("besideHole", "/hook")],
        ["from a change to the queue's consumer, p50; p99, ms", both("calm", "/queue")],
        ["webhook messages a second after an outage", spread(({ drainSeconds }) => missed / drainSeconds, 0)],
      ],
      othersLoad,
      raw: { missed, results },
    };
  },
});

function startStack(s3, sink, names) {
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  const webhooks = names.map((name) => ({ name, url: `${sink.url}/${name}`, secret }));
  return startCoordinator({
    s3,
    vars: { WEBHOOKS: JSON.stringify(webhooks), WEBHOOK_LOOPBACK: "on" },
    assets: false,
    edge: false,
    adjust: (options) => ({ ...options, queueProducers: { EVENTS: "file-events" } }),
    beside: [
      {
        name: "consumer",
        modules: true,
        script: CONSUMER,
        bindings: { SINK: `${sink.url}/queue` },
        queueConsumers: { "file-events": { maxBatchSize: 100, maxBatchTimeout: 0 } },
      },
    ],
  });
}

/** How long messages took from their changes, by where they came to. */
async function lags({ url }, sink, workspace, changes) {
  const client = await guest(url, workspace);
  for (let change = 0; change < changes; change++) {
    await client.open(1);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const names = ["/hook", "/queue"];
  await sink.until(() => names.every((name) => sink.of(name, client).length === changes));
  return Object.fromEntries(
    names.map((name) => {
      const waited = sink.of(name, client).map(({ at, event }) => at - Date.parse(event.timestamp));
      waited.sort((one, other) => one - other);
      const quantile = (part) => waited[Math.min(waited.length - 1, Math.floor(part * waited.length))];
      return [name, { p50: quantile(0.5), p99: quantile(0.99) }];
    }),
  );
}

async function startSink() {
  const received = [];
  const sink = {
    isAway: false,
    of: (path, { workspace }) =>
      received.filter((message) => message.path === path && message.event.data.workspace === workspace),
    async until(isSo) {
      while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20));
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const server = createServer(async (request, response) => {
    const at = Date.now();
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    if (request.url === "/hole") return;
    if (sink.isAway) return response.writeHead(503).end();
    const body = JSON.parse(Buffer.concat(chunks).toString());
    for (const event of body.queued ?? [body]) received.push({ path: request.url, at, event });
    response.writeHead(204).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  sink.url = `http://127.0.0.1:${server.address().port}`;
  return sink;
}
