// Streams of unknown length, in every engine.

import assert from "node:assert/strict";
import { inEachEngine, stored, useSite } from "./harness.mjs";

const stack = useSite();

/** WebKitGTK has no private file system. */
const LACKING = ["webkit"];

inEachEngine(stack, (engine, test) => {
  const lacks = LACKING.includes(engine.name);

  test(lacks ? "a stream cannot be kept, and the error says so" : "a stream arrives", {}, async (t) => {
    const page = await engine.openPage(t);
    // Two parts go while it is kept, and what is left of it at its end.
    const size = 12_000_000;
    const { code, fileId, sha256, left } = await page.evaluate((size) => app.uploadStream(size), size);
    if (lacks) return assert.equal(code, "unsupported");
    assert.deepEqual(await stored(stack, page, fileId), { size, sha256 });
    assert.equal(left, 0, "nothing is left of it");
  });
});
