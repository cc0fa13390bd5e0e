// The page with the coordinator behind Cloudflare's edge and storage that behaves as R2 does.

import { test } from "node:test";
import assert from "node:assert/strict";
import { download, pick, reaches, useStack } from "./harness.mjs";

const stack = useStack({ r2: true, vars: { S3_FORMS: "off", S3_REGION: undefined } });

test("a file of many parts, one that a fault hits, and text arrive whole, and R2 is asked for nothing that it lacks", async (t) => {
  stack.proxy.interfere(({ partNumber, attempt }) =>
    partNumber === 2 && attempt === 1 ? { kind: "reset", afterBytes: 100_000 } : undefined,
  );
  const page = await stack.openPage(t);
  const files = [
    await stack.file("large.bin", 150 * 2 ** 20 + 7),
    await stack.file("notes.txt", 300_000),
    await stack.file("empty.bin", 0),
  ];
  await pick(page, ...files);
  for (const { name } of files) await reaches(page, name, "available");
  for (const { name, sha256 } of files) assert.equal((await download(page, name)).sha256, sha256);
  assert.ok(
    stack.proxy.requests.some(({ partNumber, status }) => partNumber === 2 && status === 0),
    "the fault was met",
  );
  const sizes = new Set(
    stack.proxy.requests.filter(({ partNumber }) => partNumber > 0).map(({ contentLength }) => contentLength),
  );
  assert.ok(sizes.size <= 2, `parts of one size and a rest: ${[...sizes]}`);
  assert.deepEqual(stack.s3.refused, []);
  const { before, between } = stack.coordinator.edges;
  assert.ok(before.requests.length > 0 && between.requests.some(({ method }) => method === "HEAD"));
});
