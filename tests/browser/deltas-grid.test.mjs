// Only what changed travels, to storage that wants parts of one size, as R2 does.

import assert from "node:assert/strict";
import test from "node:test";
import { openWithFirst, uploadNext } from "./deltas-page.mjs";
import { useStack } from "./harness.mjs";

const MIB = 1024 * 1024;

/** Source: docs/api.md, "Only what changed": chunks of the grid at level 0. */
const PART = 8 * MIB;

const stack = useStack({ r2: true, vars: { S3_FORMS: "off", S3_REGION: undefined } });

test("a file that was edited in place and grew is sent in the parts of the grid that have changed", async (t) => {
  const { page } = await openWithFirst(stack, t, 60);
  const found = await uploadNext(
    stack,
    page,
    "[first.slice(0, 20 * MIB), noise(MIB), first.slice(21 * MIB), noise(3 * MIB)]",
  );
  assert.ok(found.isExact, found.message);
  const parts = stack.proxy.storedPuts.map(({ partNumber, bytes }) => [partNumber, bytes]);
  assert.deepEqual(
    parts.sort(([a], [b]) => a - b),
    [
      [3, PART],
      [8, 63 * MIB - 7 * PART],
    ],
  );
  assert.equal(found.progress.at(-1).copied, 6 * PART);
  assert.deepEqual(stack.s3.refused, []);
});
