// Webhooks and the queue: real requests to real receivers, those of the guide among them, and a real consumer of a queue
// in workerd. Signatures are verified by the library of Standard Webhooks.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Webhook } from "standardwebhooks";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";
import { editLedgers } from "./ledgers.mjs";
import { Client, crc64nvme, eventually, hashed, noise, requestToken } from "./support.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PASSWORD = "an operator's secret";
const SECRET = `whsec_${randomBytes(32).toString("base64")}`;
const NEXT_SECRET = `whsec_${randomBytes(24).toString("base64")}`;

const AUTH_CLIENTS = JSON.stringify([
  {
    id: "operator",
    secretHash: hashed(PASSWORD),
    scopes: ["files:read", "files:write", "workspace:admin"],
    workspaces: ["*"],
  },
]);

/** A consumer of a queue, which writes what it gets into the log. */
const CONSUMER = `export default {
  fetch() { return new Response("") },
  queue(batch) { for (const { body } of batch.messages) console.log(JSON.stringify({ consumed: body })) },
}`;

const OPERATOR = `w-${randomUUID()}`;
const sink = { received: [], answers: {} };
let s3, coordinator, folder, vars;
const receivers = {};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "syncsphere-events-"));
  sink.url = await startSink();
  for (const name of ["node", "python"]) receivers[name] = { port: await freePort() };
  const hook = (name, url, kinds) => ({ name, url, secret: SECRET, ...(kinds && { kinds }) });
  vars = {
    AUTH_CLIENTS,
    WEBHOOK_LOOPBACK: "on",
    WEBHOOKS: JSON.stringify([
      { ...hook("all", `${sink.url}/all`), secret: `${SECRET},${NEXT_SECRET}` },
      hook("available", `${sink.url}/available?x=1`, ["file.available"]),
      // Never answers, in every test of this file.
      hook("hole", `${sink.url}/hole`),
      hook("moved", `${sink.url}/moved`),
      hook("picky", `${sink.url}/picky`),
      hook("node", `http://127.0.0.1:${receivers.node.port}/`, ["file.available"]),
      hook("python", `http://127.0.0.1:${receivers.python.port}/`, ["file.available"]),
    ]),
  };
  s3 = await startSeaweed();
  coordinator = await start();
});

after(async () => {
  for (const { program } of Object.values(receivers)) program?.kill();
  await coordinator?.stop();
  await s3?.stop();
  sink.server?.closeAllConnections();
  sink.server?.close();
  await rm(folder, { recursive: true, force: true });
});

function start() {
  return startCoordinator({
    s3,
    vars: { S3_FORMS: "off", ...vars },
    assets: false,
    durableDir: folder,
    adjust: (options) => ({ ...options, queueProducers: { EVENTS: "file-events" } }),
    beside: [
      {
        name: "consumer",
        modules: true,
        script: CONSUMER,
        queueConsumers: { "file-events": { maxBatchSize: 10, maxBatchTimeout: 0 } },
      },
    ],
  });
}

/** A server that keeps what it is sent, and answers as `sink.answers` says of its path. */
async function startSink() {
  sink.server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://sink");
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const message = { pathname, headers: request.headers, body, event: JSON.parse(body), at: Date.now() };
    sink.received.push(message);
    if (pathname === "/hole") return;
    if (pathname === "/moved") return response.writeHead(307, { location: `${sink.url}/all?moved` }).end();
    const status = sink.answers[pathname]?.(message) || 200;
    message.status = status;
    response.writeHead(status).end("x".repeat(100_000));
  });
  await new Promise((resolve) => sink.server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${sink.server.address().port}`;
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function operator(workspace = `w-${randomUUID()}`) {
  const response = await requestToken(coordinator.url, {
    grant_type: "client_credentials",
    client_id: "operator",
    client_secret: PASSWORD,
    sub: "ops",
    workspace,
  });
  const { access_token: token, ...reply } = await response.json();
  assert.equal(response.status, 200, JSON.stringify(reply));
  return new Client(coordinator.url, token, workspace);
}

/** What a path of the sink was sent of a workspace. */
function told(client, pathname) {
  return sink.received.filter(
    (message) => message.pathname === pathname && message.event.data.workspace === client.workspace,
  );
}

async function status(client, name) {
  const { destinations } = await client.ask("GET", "/v1/destinations");
  return destinations.find((destination) => destination.name === name);
}

describe("webhooks", () => {
  test("tell of every change, signed by each secret as Standard Webhooks verifies it", async () => {
    const client = await operator();
    const file = await client.upload(noise(10), { name: "a.bin", metadata: { camera: "b" } });
    await client.ask("DELETE", `/v1/files/${file.fileId}`);
    const messages = await eventually(
      () => told(client, "/all").length === 3 && told(client, "/all"),
      "three",
    );
    const { changes } = await client.changes();
    for (const [index, { headers, body, event }] of messages.entries()) {
      for (const secret of [SECRET, NEXT_SECRET]) {
        assert.deepEqual(new Webhook(secret).verify(body, headers), event);
        assert.throws(() => new Webhook(secret).verify(body.replace("a.bin", "b.bin"), headers));
      }
      const { seq, kind, at, file } = changes[index];
      const id = `evt_${client.workspace}_${seq}`;
      assert.equal(headers["webhook-id"], id);
      assert.equal(headers["content-type"], "application/json");
      const contentPath = kind === "file.available" && { contentPath: `/v1/files/${file.fileId}/content` };
      const data = { id, workspace: client.workspace, seq, file, ...contentPath };
      assert.deepEqual(event, { type: kind, timestamp: at, data });
      assert.ok(!body.includes("X-Amz-Signature"));
    }
    await eventually(() => told(client, "/available").length === 1, "the one that is wanted");
    assert.equal(told(client, "/available")[0].event.type, "file.available");
  });

  for (const name of ["node", "python"]) {
    test(`reach the guide's receiver in ${name}, which fetches the file`, async () => {
      const client = await operator(name === "node" ? OPERATOR : undefined);
      const output = await startReceiver(name, client);
      const bytes = noise(1000);
      await client.upload(bytes, { name: "film.mov" });
      const line = `film.mov ${await crc64nvme(bytes)} 1000\n`;
      await eventually(() => output().includes(line), "the receiver has acted");
      const url = `http://127.0.0.1:${receivers[name].port}/`;
      const [genuine] = await eventually(
        () => told(client, "/available").length === 1 && told(client, "/available"),
        "it",
      );
      const {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature,
      } = genuine.headers;
      const send = async (headers, body = genuine.body) => {
        const signed = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature };
        return (await fetch(url, { method: "POST", body, headers: { ...signed, ...headers } })).status;
      };
      assert.equal(await send({}), 204, "a repetition");
      assert.equal(output(), line, "it acts once");
      assert.equal(await send({ "webhook-timestamp": `${Number(timestamp) - 600}` }), 401);
      assert.equal(await send({ "webhook-id": "evt_other_1" }), 401);
      assert.equal(await send({}, genuine.body.replace("film.mov", "evil.mov")), 401);
      assert.equal(await send({ "webhook-signature": "v1,AAAA" }), 401);
    });
  }

  test("follow no redirect, and wait for nothing that an endpoint adds", async () => {
    const client = await operator();
    await client.open(noise(1));
    await eventually(() => told(client, "/moved").length === 1 && told(client, "/all").length === 1, "both");
    await eventually(async () => (await status(client, "moved")).cause === "status 307", "it is told");
    assert.equal(told(client, "/all").length, 1);
  });

  test("go on while another endpoint never answers", async () => {
    const client = await operator();
    const took = [];
    for (let index = 0; index < 10; index++) {
      await client.open(noise(1), { name: `${index}.bin` });
      const from = Date.now();
      await eventually(() => told(client, "/all").length === index + 1, "the next one");
      took.push(Date.now() - from);
    }
    assert.ok(Math.max(...took) < 3_000, `${took} ms`);
    assert.equal(told(client, "/hole").length <= 3, true);
    await eventually(
      async () => (await status(client, "hole")).cause === "it did not answer in time",
      "told",
      30_000,
    );
    assert.equal((await status(client, "all")).failures, 0);
  });

  test("send again what was refused, in order a file, and let others pass", async () => {
    const client = await operator();
    let refusals = 1;
    sink.answers["/picky"] = ({ event }) => event.data.file.name === "poison" && refusals-- > 0 && 422;
    const poison = await client.upload(noise(1), { name: "poison" });
    const other = await client.upload(noise(1), { name: "other" });
    await eventually(
      () =>
        told(client, "/picky").some(
          ({ event }) => event.type === "file.available" && event.data.file.fileId === other.fileId,
        ),
      "the other passes",
    );
    const got = () =>
      told(client, "/picky").filter(
        ({ status, event }) => status === 200 && event.data.file.fileId === poison.fileId,
      );
    assert.equal(got().length, 0);
    await eventually(() => got().length === 2, "both come again");
    assert.deepEqual(
      got().map(({ event }) => event.type),
      ["file.uploading", "file.available"],
    );
    assert.equal((await status(client, "picky")).retrying, 0);
  });

  test("are dead letters after a day, which an operator lists and sends again", async () => {
    let client = await operator();
    sink.answers["/picky"] = ({ event }) => event.data.workspace === client.workspace && 400;
    await client.open(noise(1));
    await eventually(async () => (await status(client, "picky")).retrying === 1, "it has failed");
    const { deadLetters: none } = await client.ask("GET", "/v1/destinations/picky/dead-letters");
    assert.deepEqual(none, []);
    await coordinator.stop();
    await editLedgers(folder, (ledger) => {
      ledger.exec(
        "UPDATE letters SET doc = json_set(doc, '$.firstFailedMs', 1, '$.dueMs', 1) WHERE destination = 'picky'",
      );
    });
    coordinator = await start();
    client = await operator(client.workspace);
    // A change rings the alarm.
    await client.open(noise(1));
    const letters = await eventually(async () => {
      const { deadLetters } = await client.ask("GET", "/v1/destinations/picky/dead-letters");
      return deadLetters.length > 0 && deadLetters;
    }, "it is dead");
    assert.deepEqual(
      letters.map(({ seq, attempts, cause }) => ({ seq, attempts, cause })),
      [{ seq: 1, attempts: 2, cause: "status 400" }],
    );
    assert.equal((await status(client, "picky")).deadLetters, 1);
    await client.refused("not_found", "POST", "/v1/destinations/picky/resend?seq=77");
    await client.refused("not_found", "POST", "/v1/destinations/nobody/resend");
    await client.refused("not_found", "GET", "/v1/destinations/nobody/dead-letters");
    delete sink.answers["/picky"];
    await client.ask("POST", "/v1/destinations/picky/resend?seq=1");
    await eventually(
      () => told(client, "/picky").some(({ status, event }) => status === 200 && event.data.seq === 1),
      "it comes",
    );
    const again = await client.ask("GET", "/v1/destinations/picky/dead-letters");
    assert.deepEqual(again, { deadLetters: [] });
    const guest = await Client.guest(coordinator.url, client.workspace);
    await guest.refused("forbidden", "GET", "/v1/destinations");
    await guest.refused("forbidden", "POST", "/v1/destinations/picky/resend");
  });
});

describe("the queue", () => {
  test("gets every change in the workspace's order", async () => {
    const client = await operator();
    const uploads = await client.initiate(
      Array.from({ length: 30 }, (_, index) => ({
        clientRef: `${index}`,
        name: `${index}`,
        size: 1,
        parts: [],
      })),
    );
    await client.ask("DELETE", `/v1/uploads/${uploads[7].uploadId}`);
    const consumed = () =>
      coordinator.logs
        .filter(({ message }) => message.startsWith(`{"consumed":`) && message.includes(client.workspace))
        .map(({ message }) => JSON.parse(message).consumed);
    await eventually(() => consumed().length === 31, "31 messages");
    const { changes } = await client.changes();
    const expected = changes.map(({ seq, kind, at, file }) => ({
      type: kind,
      timestamp: at,
      data: { id: `evt_${client.workspace}_${seq}`, workspace: client.workspace, seq, file },
    }));
    const bySeq = consumed().toSorted((one, other) => one.data.seq - other.data.seq);
    assert.deepEqual(bySeq, expected);
    const { seq, destinations } = await client.ask("GET", "/v1/destinations");
    const queue = destinations.find(({ name }) => name === "queue");
    const { kind, deliveredSeq, waiting, deadLetters, lost } = queue;
    assert.deepEqual(
      { kind, deliveredSeq, waiting, deadLetters, lost },
      { kind: "queue", deliveredSeq: seq, waiting: 0, deadLetters: 0, lost: 0 },
    );
  });
});

/** Starts a receiver as the guide has it; gives what it has printed. */
async function startReceiver(name, client) {
  const guide = await readFile(join(ROOT, "docs/guides/events.md"), "utf8");
  const file = name === "node" ? "receiver.mjs" : "receiver.py";
  const [, code] = new RegExp(`^\`\`\`\\w+ ${file}\\n(.*?)^\`\`\`$`, "ms").exec(guide);
  const at = join(ROOT, "target/guides");
  await mkdir(at, { recursive: true });
  const path = join(at, `${randomUUID()}-${file}`);
  await writeFile(path, code);
  let output = "";
  const env = {
    ...process.env,
    WEBHOOK_SECRET: SECRET,
    COORDINATOR: client.url,
    TOKEN: client.token,
    PORT: `${receivers[name].port}`,
  };
  const program = spawn(name === "node" ? process.execPath : "python3", [path], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  program.stdout.on("data", (text) => (output += text));
  receivers[name].program = program;
  program.on("exit", () => rm(path, { force: true }));
  await eventually(async () => {
    const response = await fetch(`http://127.0.0.1:${receivers[name].port}/`, {
      method: "POST",
      body: "{}",
    }).catch(() => {});
    return response?.status === 401;
  }, "the receiver listens");
  return () => output;
}
