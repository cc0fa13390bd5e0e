// Only what changed travels, from a page to every storage: what it proves is copied, all else is sent.

import assert from "node:assert/strict";
import { indexTold, openDeltas } from "../browser/deltas-page.mjs";
import { startSite } from "./site.mjs";
import { on } from "./support.mjs";

const MIB = 1024 * 1024;

/** Most that travels for one changed place: the chunk around it, and the next. Source: docs/api.md, "Only what changed". */
const MOST_SENT = 32 * MIB;

/** Registers the tests for one server. */
export function versionTests(server) {
  const provesContent = server.vars.S3_CHECKSUM === "crc64nvme";

  on(server, "the next version of a file is what its page has, whatever storage copies of it", async (t) => {
    const stack = await startSite(t, server);
    const page = await openDeltas(stack, t);
    const told = provesContent && indexTold(page);
    const first = await page.evaluate(async () => {
      globalThis.first = noise(64 * MIB);
      return uploadPieces([first], "big.bin");
    });
    assert.ok(first.isExact);
    await told;

    const copies = [];
    page.on("request", (request) => request.url().endsWith("/copies") && copies.push(request.url()));
    const next = await page.evaluate(() =>
      uploadPieces([first.slice(0, 20 * MIB), noise(MIB), first.slice(21 * MIB)], "big.bin"),
    );
    assert.ok(next.isExact);
    assert.deepEqual([next.record.version, next.record.previous], [2, first.record.fileId]);
    const { loaded, copied = 0 } = next.progress.at(-1);
    assert.equal(loaded, 64 * MIB);
    if (server.provesCopies) assert.ok(copied >= loaded - MOST_SENT, `${copied} bytes were copied`);
    else assert.equal(copied, 0, "what storage does not prove is sent");
    // The gateway of Ceph 16 dies of it.
    assert.equal(copies.length > 0, provesContent);

    if (!provesContent) return;
    const again = await page.evaluate(() => uploadPieces([first], "again.bin"));
    assert.ok(again.isExact);
    assert.deepEqual(again.states, ["available"], "nothing is sent of what is there");
  });
}
