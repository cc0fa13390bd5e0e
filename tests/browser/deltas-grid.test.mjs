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

test("of a file that was edited in place one part is sent, and the others are copied, all of one size", async (t) => {
  const { page } = await openWithFirst(stack, t, 48 + 7 / MIB);
  const { record, isExact, progress, parts, code } = await uploadNext(
    stack,
    page,
    "[first.slice(0, 20 * MIB), noise(MIB), first.slice(21 * MIB)]",
  );
  assert.ok(isExact, code);
  assert.equal(record.version, 2);
  assert.deepEqual(sentSizes(), [PART]);
  const { sizes, states } = parts.at(-1);
  assert.deepEqual(sizes, [...Array(6).fill(PART), 7]);
  assert.deepEqual(states, [4, 4, 3, 4, 4, 4, 4]);
  const { loaded, copied } = progress.at(-1);
  assert.equal(loaded - copied, PART);
  assert.deepEqual(stack.s3.refused, []);
});

test("a file with something inserted at its front is sent as a whole", async (t) => {
  const { page } = await openWithFirst(stack, t, 48 + 7 / MIB);
  const { record, isExact, size, progress, code } = await uploadNext(stack, page, "[noise(MIB), first]");
  assert.ok(isExact, code);
  assert.equal(record.version, 2);
  assert.equal(
    sentSizes().reduce((sum, bytes) => sum + bytes, 0),
    size,
  );
  assert.equal(progress.at(-1).copied ?? 0, 0);
  assert.deepEqual(stack.s3.refused, []);
});

/** Bytes of each part that the page has sent. */
function sentSizes() {
  return stack.proxy.requests.filter(({ method }) => method === "PUT").map(({ bytes }) => bytes);
}
