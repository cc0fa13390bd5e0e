// A trap in the WebAssembly, which is what a panic becomes. Nothing in the code panics, so the test adds a module that
// traps and has the worker run into it: at once, or in a task of its own as after an await.
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { builtWorker, startCoordinator } from "../../stack/coordinator.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";
import { Client, assertProblem, noise } from "./support.mjs";

/** `(module (func (export "trap") unreachable))` */
const TRAP = Buffer.from("0061736d0100000001040160000003020100070801047472617000000a05010300000b", "hex");

describe("a panic", () => {
  let folder, s3, coordinator;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "panic-"));
    await cp(builtWorker(), folder, { recursive: true });
    await writeFile(join(folder, "trap.wasm"), TRAP);
    const entry = join(folder, "index.js");
    const code = await readFile(entry, "utf8");
    const callOfTheWorker = /(\bfetch\((\w+)\)\{return \w+\(\(\)=>)(\w+\(\2,this\.env,this\.ctx\))/;
    assert.match(code, callOfTheWorker);
    const trapping = code.replace(
      callOfTheWorker,
      (_, head, request, call) =>
        `${head}{const when=${request}.headers.get("x-trap");` +
        `const {trap}=new WebAssembly.Instance(TRAP).exports;` +
        `if(when==="at once")trap();if(when==="later")return new Promise(()=>queueMicrotask(trap));` +
        `return ${call}}`,
    );
    await writeFile(entry, `import TRAP from "./trap.wasm";${trapping}`);
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
