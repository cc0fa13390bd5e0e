// What is said of engines that cannot be had here: the tests in them are not run, and named.

import assert from "node:assert/strict";
import { test } from "node:test";
import { launchBrowser, whyMissing } from "./harness.mjs";

/** Calls it while a variable names a program that is not there. */
async function without(variable, call) {
  const before = process.env[variable];
  process.env[variable] = "/nowhere/at-all";
  try {
    await call();
  } finally {
    if (before === undefined) delete process.env[variable];
    else process.env[variable] = before;
  }
}

for (const [engine, variable] of [
  ["firefox", "FIREFOX_BIN"],
  ["webkit", "WEBKIT_BIN"],
  ["webkit", "WEBKIT_DRIVER"],
  ["webkit", "XVFB"],
]) {
  test(`${engine} without what ${variable} names is missing, and says so`, async () => {
    await without(variable, async () => {
      assert.match(whyMissing(engine), new RegExp(`no .* found: install it, or set ${variable}`));
      await assert.rejects(launchBrowser(engine), new RegExp(`set ${variable}`));
    });
  });
}
