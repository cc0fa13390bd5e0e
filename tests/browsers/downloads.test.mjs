// Downloads to the private file system, in every engine.

import assert from "node:assert/strict";
import { inEachEngine, useSite } from "./harness.mjs";

const stack = useSite();

/** WebKitGTK has no private file system. */
const LACKING = ["webkit"];

inEachEngine(stack, (engine, test) => {
  const lacks = LACKING.includes(engine.name);

  test(
    lacks ? "a file cannot be downloaded, and the error says so" : "a file is downloaded",
    {},
    async (t) => {
      const page = await engine.openPage(t);
      const size = 20_000_000;
      const { code, name, loaded, sha256, got } = await page.evaluate((size) => app.download(size), size);
      if (lacks) return assert.equal(code, "unsupported");
      assert.equal(code, undefined);
      assert.deepEqual([name, loaded, got], ["download.bin", size, sha256]);
    },
  );
});
