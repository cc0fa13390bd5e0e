// Pages of plain `http://` on another host than this machine's own name: no locks, no file system, no `crypto.subtle`.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { arrives, inEachEngine, upload, useSite, warnings } from "./harness.mjs";

const MIB = 1024 * 1024;

/** An address of this machine that is not its loopback. */
const address = Object.values(networkInterfaces())
  .flat()
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;

// Storage has to have that address too: browsers keep pages of other networks away from the loopback. The key of
// development, which is public, is taken on the loopback only.
const vars = { AUTH_SIGNING_KEY: randomBytes(32).toString("base64") };
const stack = useSite(address && { names: [address], vars });

/** What comes to that address goes to the loopback, at the same port, until the test ends. */
async function forward(t, port) {
  const forwarder = createServer((from) => {
    const to = connect(port, "127.0.0.1");
    for (const socket of [from, to]) socket.on("error", () => [from, to].forEach((end) => end.destroy()));
    from.pipe(to).pipe(from);
  });
  await new Promise((resolve, reject) => forwarder.once("error", reject).listen(port, address, resolve));
  t.after(() => forwarder.close());
}

inEachEngine(stack, (engine, test) => {
  const skip = !address && "this machine has no address but its loopback";
  test("uploads work without a secure context", { skip }, async (t) => {
    for (const url of [stack.url, stack.proxy.endpoint]) await forward(t, Number(new URL(url).port));
    const page = await engine.openPage(t, { origin: stack.url.replace("localhost", address) });
    assert.deepEqual(
      await page.evaluate(() => [isSecureContext, !!navigator.locks, !!navigator.storage?.getDirectory]),
      [false, false, false],
    );
    const file = await stack.file("in the open.bin", 12 * MIB);
    await upload(page, file);
    await arrives(stack, page, file.name, file);
    assert.deepEqual(await warnings(page), []);
  });
});
