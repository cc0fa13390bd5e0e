// Storage under two names: to a browser two servers, with six connections each.

import { test } from "node:test";
import assert from "node:assert/strict";
import { download, pick, reaches, until, useStack } from "./harness.mjs";

const stack = useStack({ names: ["127.0.0.1", "localhost"] });

test("twelve parts are on their way at a time, and arrive whole", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("wide.bin", 224 * 2 ** 20);
  const release = Promise.withResolvers();
  stack.proxy.interfere(({ partNumber }) => partNumber && { kind: "hold", until: release.promise });
  await pick(page, file);
  await until(() => stack.proxy.open >= 12, "twelve requests have come in");
  release.resolve();
  await reaches(page, file.name, "available");
  assert.equal((await download(page, file.name)).sha256, file.sha256);
});
