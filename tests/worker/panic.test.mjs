// A trap in the WebAssembly, which is what a panic becomes. Nothing in the code panics, so the test adds a module that
// traps and has the worker run into it: at once, or in a task of its own as after an await.
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { builtWorker, startCoordinator } from "../../stack/coordinator.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";
import { Client, assertProblem, eventually, noise } from "./support.mjs";

/** `(module (func (export "trap") unreachable))` */
const TRAP = Buffer.from("0061736d0100000001040160000003020100070801047472617000000a05010300000b", "hex");

/** The built worker in a folder of its own, with `TRAP`, what `helpers` declares, and each pattern of its script replaced. */
async function trappingWorker(replacements, helpers = "") {
  const folder = await mkdtemp(join(tmpdir(), "panic-"));
  await cp(builtWorker(), folder, { recursive: true });
  await writeFile(join(folder, "trap.wasm"), TRAP);
  const entry = join(folder, "index.js");
  let code = await readFile(entry, "utf8");
  for (const [pattern, to] of replacements) {
    assert.match(code, pattern);
    code = code.replace(pattern, to);
  }
  await writeFile(entry, `import TRAP from "./trap.wasm";${helpers}${code}`);
  return folder;
}

describe("a panic", () => {
  let folder, s3, coordinator;
  before(async () => {
    const callOfTheWorker = /(\bfetch\((\w+)\)\{return \w+\(\(\)=>)(\w+\(\2,this\.env,this\.ctx\))/;
    const trapOnDemand = (_, head, request, call) =>
      `${head}{const when=${request}.headers.get("x-trap");` +
      `const {trap}=new WebAssembly.Instance(TRAP).exports;` +
      `if(when==="at once")trap();if(when==="later")return new Promise(()=>queueMicrotask(trap));` +
      `return ${call}}`;
    folder = await trappingWorker([[callOfTheWorker, trapOnDemand]]);
    s3 = await startSeaweed();
    coordinator = await startCoordinator({
      s3,
      assets: false,
      workerDir: folder,
      vars: { S3_FORMS: "off" },
    });
  });
  after(async () => {
    await coordinator?.stop();
    await s3?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test("ends no request without an answer", async () => {
    const client = await Client.guest(coordinator.url, "panic");
    const others = Array.from({ length: 20 }, () => client.send("GET", "/v1/files"));
    const trapped = client.send("GET", "/v1/files", { headers: { "x-trap": "later" } });
    for (const response of await Promise.all([...others, trapped])) {
      if (response.status === 200) await response.body?.cancel();
      else await assertProblem(response, "internal");
    }
    assert.equal((await client.send("GET", "/v1/files")).status, 200);
  });

  for (const when of ["at once", "later"]) {
    test(`${when} answers 500, and the next request finds everything as it was`, async () => {
      const client = await Client.guest(coordinator.url, "panic");
      const file = await client.upload(noise(3));
      const grant = await client.open(noise(1));
      const response = await client.send("GET", "/v1/files", { headers: { "x-trap": when } });
      const problem = await assertProblem(response, "internal");
      assert.equal(problem.status, 500);
      assert.equal(Number(response.headers.get("retry-after")), problem.retryAfter);
      assert.deepEqual(await client.ask("GET", `/v1/files/${file.fileId}`), file);
      await client.sendParts(grant, noise(1));
      assert.equal((await client.complete(grant)).status, "available");
    });
  }
});

// In a deployment the object may be in another isolate than the worker that asks it, and in another place: of a trap there
// the worker hears by the object's answer alone.
describe("a panic in a workspace's object, in another isolate than the worker", () => {
  /** Makes a call of the object's: over a file of this name it traps once it has begun, and so does the first alarm. */
  const TRAPS = `
    const trapLater = () => new Promise(() => queueMicrotask(new WebAssembly.Instance(TRAP).exports.trap));
    async function callOver(request, call) {
      return (await request.clone().text()).includes("poison") ? trapLater() : call();
    }
    let alarms = 0;
    function alarmOnce(call) {
      return alarms++ === 0 ? trapLater() : call();
    }
  `;
  let folder, s3, coordinator;
  before(async () => {
    folder = await trappingWorker(
      [
        [/this\.#\w+\(\)\.fetch\(\.\.\.(\w+)\)/, (call, given) => `callOver(${given}[0],()=>${call})`],
        [/this\.#\w+\(\)\.alarm\(\.\.\.\w+\)/, (call) => `alarmOnce(()=>${call})`],
      ],
      TRAPS,
    );
    s3 = await startSeaweed();
    const beside = [];
    coordinator = await startCoordinator({
      s3,
      assets: false,
      workerDir: folder,
      vars: { S3_FORMS: "off", UPLOAD_TTL_SECONDS: "2" },
      beside,
      adjust(options) {
        beside.push({ ...options, name: "objects" });
        const elsewhere = { className: "WorkspaceObject", scriptName: "objects", useSQLite: true };
        return { ...options, durableObjects: { WORKSPACES: elsewhere } };
      },
    });
  });
  after(async () => {
    await coordinator?.stop();
    await s3?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  // First, so that the first alarm is this workspace's.
  test("during an alarm has it ring again", async () => {
    const client = await Client.guest(coordinator.url, "alarm");
    const { fileId } = await client.open(noise(1));
    await eventually(
      async () => (await client.ask("GET", `/v1/files/${fileId}`)).status === "expired",
      "the alarm ends what is over",
    );
  });

  test("over a call by itself is answered at once, and the next call finds everything as it was", async () => {
    const client = await Client.guest(coordinator.url, "alone");
    const before = await client.open(noise(1));
    await refusedForNow(await open(client, "poison"));
    assert.equal((await client.ask("GET", `/v1/files/${before.fileId}`)).fileId, before.fileId);
    await client.open(noise(1));
  });

  test("over one of many calls at once leaves none without an answer, and has none done twice", async () => {
    const client = await Client.guest(coordinator.url, "batch");
    const names = Array.from({ length: 30 }, (_, n) => `${n}.bin`);
    const responses = await Promise.all(
      names.toSpliced(15, 0, "poison").map(async (name) => [name, await open(client, name)]),
    );
    const opened = [];
    for (const [name, response] of responses) {
      if (response.status !== 200) await refusedForNow(response);
      else opened.push([name, (await response.json()).uploads[0].fileId]);
    }
    const begun = (await client.changes()).changes.filter(({ kind }) => kind === "file.uploading");
    const ids = new Map(begun.map(({ file }) => [file.name, file.fileId]));
    assert.equal(ids.size, begun.length, "a name comes once");
    for (const [name, fileId] of opened) assert.equal(ids.get(name), fileId);
    assert.ok(!ids.has("poison"));
  });

  const open = (client, name) =>
    client.send("POST", "/v1/uploads", { body: { files: [{ clientRef: "f", name, size: 1, parts: [] }] } });

  /** Long before the worker would give up waiting for the object. */
  async function refusedForNow(response) {
    const problem = await assertProblem(response, "internal");
    assert.equal(problem.status, 503);
    assert.ok(problem.retryAfter > 0);
    assert.doesNotMatch(response.headers.get("server-timing"), /total;dur=\d{5}/);
  }
});
