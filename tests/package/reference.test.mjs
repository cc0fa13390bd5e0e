// docs/api-reference.md says what the types say.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { PAGE, reference } from "../../uploader-wasm/npm/reference.mjs";

test("the API reference is made of these types", async () => {
  const page = await readFile(PAGE, "utf8");
  assert.equal(page, await reference(), "outdated; run: node uploader-wasm/npm/reference.mjs");
});
