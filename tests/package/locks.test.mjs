// Which uploads a tab takes for its own, where there are no Web Locks.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import test from "node:test";

test("without Web Locks a tab knows what it is busy with itself", async () => {
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  const source = new URL("../../uploader-wasm/npm/src/worker/upload-locks.ts", import.meta.url);
  const script = stripTypeScriptTypes(await readFile(source, "utf8"));
  const { UploadLocks } = await import(`data:text/javascript,${encodeURIComponent(script)}`);
  const locks = new UploadLocks();
  assert.equal(await locks.acquire("upload"), true);
  assert.deepEqual([...(await locks.held())], ["upload"]);
  assert.deepEqual(await locks.heldByOthers(), []);
  locks.release("upload");
  assert.deepEqual([...(await locks.held())], []);
});
