// Calls of many requests to one workspace go to its Durable Object together. The worker is the built one; a few lines
// around its classes count what an object is asked, and have it refuse batches.
import assert from "node:assert/strict";
import { cp, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { builtWorker, startCoordinator } from "../../stack/coordinator.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";
import { editLedgers } from "./ledgers.mjs";
import { Client, noise } from "./support.mjs";

const AROUND = `
import Coordinator, { WorkspaceObject as Original } from "./coordinator.js";

const asked = { alone: 0, together: 0 };
let refuses = false;

export class WorkspaceObject extends Original {
  fetch(request) {
    const isBatch = new URL(request.url).pathname === "/calls";
    asked[isBatch ? "together" : "alone"] += 1;
    return isBatch && refuses ? new Response("as a release that knows no batches", { status: 500 }) : super.fetch(request);
  }
}

export default class extends Coordinator {
  fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== "/asked") return super.fetch(request);
    refuses = searchParams.has("refuse");
    return Response.json(asked);
  }
}
`;

describe("calls of requests at once", () => {
  let folder, s3, coordinator;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "gathered-"));
    await cp(builtWorker(), join(folder, "worker"), { recursive: true });
    await rename(join(folder, "worker", "index.js"), join(folder, "worker", "coordinator.js"));
    await writeFile(join(folder, "worker", "index.js"), AROUND);
    s3 = await startSeaweed();
    await start();
  });
  after(async () => {
    await coordinator?.stop();
    await s3?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test("share the way to the workspace, and each is answered for itself", async () => {
    const client = await Client.guest(coordinator.url, "share");
    const before = await asked();
    const grants = await Promise.all(numbers(200).map((n) => client.open(noise(1), { name: `${n}.bin` })));
    const { alone, together } = since(before, await asked());
    assert.ok(alone + together < 100, `${alone} calls alone and ${together} batches for 200 requests`);
    assert.ok(together > 0);

    assert.equal(new Set(grants.map(({ uploadId }) => uploadId)).size, 200);
    const { changes } = await client.changes();
    assert.deepEqual(
      changes.map(({ seq }) => seq),
      numbers(200).map((n) => n + 1),
    );
    const nameOf = new Map(changes.map(({ file }) => [file.fileId, file.name]));
    for (const [n, { fileId }] of grants.entries()) assert.equal(nameOf.get(fileId), `${n}.bin`);
  });

  test("wait for nobody where each comes alone", async () => {
    const client = await Client.guest(coordinator.url, "alone");
    const before = await asked();
    for (const _ of numbers(5)) await client.open(noise(1));
    assert.deepEqual(since(before, await asked()), { alone: 5, together: 0 });
  });

  test("keep their order for whoever sends one after the other", async () => {
    const client = await Client.guest(coordinator.url, "order");
    const write = async (name) => {
      for (const n of numbers(10)) await client.open(noise(1), { name: `${name}-${n}` });
    };
    await Promise.all(["a", "b", "c", "d", "e"].map(write));
    const { changes } = await client.changes();
    for (const name of ["a", "b", "c", "d", "e"]) {
      const own = changes.map(({ file }) => file.name).filter((of) => of.startsWith(name));
      assert.deepEqual(
        own,
        numbers(10).map((n) => `${name}-${n}`),
      );
    }
  });

  test("go on though the client leaves whose request sends them", async () => {
    const client = await Client.guest(coordinator.url, "leave");
    const leave = new AbortController();
    const body = JSON.stringify({ files: [{ clientRef: "f", name: "f", size: 1, parts: [] }] });
    const headers = { authorization: `Bearer ${client.token}` };
    const outcomes = numbers(60).map((n) =>
      fetch(`${coordinator.url}/v1/uploads`, {
        method: "POST",
        body,
        headers,
        signal: n % 2 ? undefined : leave.signal,
      }),
    );
    setTimeout(() => leave.abort(), 5);
    const stayed = outcomes.filter((_, n) => n % 2);
    await Promise.allSettled(outcomes);
    for (const response of await Promise.all(stayed)) assert.equal(response.status, 200);
  });

  test("are asked one by one where a batch is refused as a whole", async () => {
    const client = await Client.guest(coordinator.url, "refused");
    const before = await asked("?refuse");
    await Promise.all(numbers(40).map(() => client.open(noise(1))));
    const { together } = since(before, await asked());
    assert.ok(together > 0);
    assert.equal((await client.changes()).seq, 40);
  });

  test("fail alone where one fails", async () => {
    let client = await Client.guest(coordinator.url, "poison");
    const grants = await Promise.all(numbers(40).map(() => client.open(noise(1))));
    await coordinator.stop();
    await editLedgers(join(folder, "objects"), (ledger) => {
      ledger
        .prepare("UPDATE files SET doc = json_set(doc, '$.record.size', 'x') WHERE id = ?")
        .run(grants[20].fileId);
    });
    await start();
    client = await Client.guest(coordinator.url, "poison");
    const before = await asked();
    const look = ({ fileId }) => client.send("GET", `/v1/files/${fileId}`);
    const statuses = await Promise.all(grants.map(async (grant) => (await look(grant)).status));
    assert.deepEqual(
      statuses,
      numbers(40).map((n) => (n === 20 ? 503 : 200)),
    );
    assert.ok(since(before, await asked()).together > 0);
  });

  async function start() {
    coordinator = await startCoordinator({
      s3,
      assets: false,
      workerDir: join(folder, "worker"),
      durableDir: join(folder, "objects"),
      vars: { S3_FORMS: "off" },
    });
  }

  /** How often objects have been asked. */
  async function asked(query = "") {
    return (await fetch(`${coordinator.url}/asked${query}`)).json();
  }
});

function since(before, now) {
  return { alone: now.alone - before.alone, together: now.together - before.together };
}

function numbers(count) {
  return Array.from({ length: count }, (_, index) => index);
}
