// Pages that nobody looks at: hidden, frozen, left and come back to, suspended with their browser. Nothing is lost.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { beforeEach } from "node:test";
import { suspendTree } from "../../stack/browsers/processes.mjs";
import { arrives, inEachEngine, launchBrowser, loads, until, upload, useSite } from "./harness.mjs";
import { goOn, nothingSentAgain, sent, underWay } from "./under-way.mjs";

const MIB = 1024 * 1024;

/** How long a page or a browser stands still, in ms: longer than what cuts silent requests takes to notice. */
const STANDSTILL = 10_000;

/** How long the next page takes to answer, in ms: long enough for all that breaks with the page before to be noticed. */
const SLOW_PAGE = 1000;

const stack = useSite();

beforeEach(() => stack.proxy.behave());

/** The address of a page that takes its time. */
async function slowPage(t) {
  const server = createServer((_, reply) =>
    setTimeout(() => reply.end("Somebody followed a link."), SLOW_PAGE),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://localhost:${server.address().port}/`;
}

inEachEngine(stack, (engine, test) => {
  const ownBrowser = async (t) => {
    const browser = await launchBrowser(engine.name);
    t.after(() => browser.close());
    return browser;
  };

  /** Breaks every connection to storage, as a network does with who stands still. */
  const breakConnections = async () => {
    await stack.proxy.halt();
    await stack.proxy.resume();
  };

  const chromium = "without a window every tab counts as seen";
  const webkit = "on a display without a window manager every tab counts as seen";
  test("a page behind another tab goes on", { cannot: { chromium, webkit } }, async (t) => {
    const page = await engine.openPage(t, { browser: await ownBrowser(t) });
    const file = await underWay(stack, page);
    const before = sent(stack);
    const uncover = await page.cover();
    const isHidden = () => page.evaluate(() => document.visibilityState === "hidden");
    await until(isHidden, "the page is hidden");
    file.letGo();
    await arrives(stack, page, file.name, file);
    assert.ok(await isHidden());
    nothingSentAgain(stack, before);
    await uncover();
  });

  const noFreeze = "no driver of it freezes a page";
  test(
    "a page that is frozen goes on when it thaws",
    { cannot: { firefox: noFreeze, webkit: noFreeze } },
    async (t) => {
      const page = await engine.openPage(t, { browser: await ownBrowser(t) });
      const file = await underWay(stack, page);
      const before = sent(stack);
      const thaw = await page.freeze();
      await breakConnections();
      file.letGo();
      await delay(STANDSTILL);
      await thaw();
      await arrives(stack, page, file.name, file);
      nothingSentAgain(stack, before);
    },
  );

  test("a browser that is suspended goes on when it comes back", {}, async (t) => {
    const browser = await ownBrowser(t);
    const page = await engine.openPage(t, { browser });
    const file = await underWay(stack, page);
    const wake = await suspendTree(browser.pid);
    t.after(wake);
    await breakConnections();
    file.letGo();
    const before = sent(stack);
    await delay(STANDSTILL);
    wake();
    await arrives(stack, page, file.name, file);
    nothingSentAgain(stack, before);
  });

  test("a page that was left goes on when somebody comes back to it", {}, async (t) => {
    const page = await engine.openPage(t, { browser: await ownBrowser(t) });
    const file = await underWay(stack, page);
    const before = sent(stack);
    await page.away();
    await page.comeBack();
    const wasKept = await page.evaluate((name) => app.look(name) !== undefined, file.name);
    t.diagnostic(wasKept ? "the browser kept the page" : "the page was loaded anew");
    if (!wasKept) return await goOn(stack, page, file);
    file.letGo();
    await arrives(stack, page, file.name, file);
    nothingSentAgain(stack, before);
  });

  const firefox = "it keeps no page whose upload is under way";
  test("a page that was left while it read a file goes on", { cannot: { firefox } }, async (t) => {
    const page = await engine.openPage(t, { browser: await ownBrowser(t) });
    const file = await stack.file("being read.bin", 200 * MIB);
    await upload(page, file);
    await loads(page, file.name, 20 * MIB);
    // WebKit ends all that the page reads and sends as soon as the next one is asked for.
    await page.goto(await slowPage(t));
    await page.comeBack();
    await arrives(stack, page, file.name, file);
  });

  test("a page without uploads that was left takes files when somebody comes back to it", {}, async (t) => {
    const page = await engine.openPage(t, { browser: await ownBrowser(t) });
    const earlier = await stack.file("earlier.bin", 12 * MIB);
    await upload(page, earlier);
    await arrives(stack, page, earlier.name, earlier);
    await page.away();
    await page.comeBack();
    const wasKept = await page.evaluate((name) => app.look(name) !== undefined, earlier.name);
    t.diagnostic(wasKept ? "the browser kept the page" : "the page was loaded anew");
    const file = await stack.file("later.bin", 12 * MIB);
    await upload(page, file);
    await arrives(stack, page, file.name, file);
  });
});
