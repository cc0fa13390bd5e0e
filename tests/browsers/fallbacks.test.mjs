// Browsers that lack something, or refuse it: uploads work without it, in every engine.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { beforeEach } from "node:test";
import {
  arrives,
  heldFile,
  inEachEngine,
  launchBrowser,
  until,
  upload,
  useSite,
  warnings,
} from "./harness.mjs";

const MIB = 1024 * 1024;

/** At other addresses than localhost the coordinator takes none that everybody knows. */
const stack = useSite({ vars: { AUTH_SIGNING_KEY: randomBytes(32).toString("base64") } });

beforeEach(() => stack.proxy.behave());

const KEPT_NOWHERE = "IndexedDB failed: unfinished uploads may not survive this page";

/** What workers have to do without, by names of `page/without.js`, and what the logger hears. */
const FAULTS = [
  { without: ["no BroadcastChannel"] },
  { without: ["a refused BroadcastChannel"] },
  { without: ["no locks"] },
  { without: ["refused locks"] },
  { without: ["locks that throw"] },
  { without: ["no IndexedDB"], says: [KEPT_NOWHERE] },
  { without: ["a refused IndexedDB"], says: [KEPT_NOWHERE] },
  { without: ["an IndexedDB that throws"], says: [KEPT_NOWHERE] },
  { without: ["a full disk"], says: [KEPT_NOWHERE] },
  {
    without: ["a refused BroadcastChannel", "locks that throw", "an IndexedDB that throws"],
    says: [KEPT_NOWHERE],
  },
  { without: ["no file system of its own"] },
  { without: ["no reader that fills a buffer"] },
  { without: ["no streams of files"] },
];

inEachEngine(stack, (engine, test) => {
  const works = async (page, says = []) => {
    const file = await stack.file("all the same.bin", 12 * MIB);
    await upload(page, file);
    await arrives(stack, page, file.name, file);
    assert.deepEqual(await warnings(page), says);
    assert.deepEqual(await page.evaluate(() => app.interrupted()), []);
  };

  for (const { without, says } of FAULTS) {
    test(`uploads work with ${without.join(", ")}`, {}, async (t) => {
      await works(await engine.openPage(t, { without }), says);
    });
  }

  test("with no locks, a tab does not offer what it is busy with itself", {}, async (t) => {
    const page = await engine.openPage(t, { without: ["no locks"] });
    const file = await heldFile(stack, "busy.bin", 20 * MIB, 2);
    await upload(page, file);
    await until(() => page.evaluate(() => app.kept()), "it is written down");
    assert.deepEqual(await page.evaluate(() => app.interrupted()), []);
    file.letGo();
    await arrives(stack, page, file.name, file);
  });

  const webkit = "MiniBrowser has no setting that blocks site data";
  test("uploads work where site data are blocked", { cannot: { webkit } }, async (t) => {
    const browser = await launchBrowser(engine.name, { blockSiteData: true });
    t.after(() => browser.close());
    const page = await engine.openPage(t, { browser });
    const isBlocked = () => {
      try {
        return !localStorage;
      } catch {
        return true;
      }
    };
    assert.ok(await page.evaluate(isBlocked), "site data are not blocked");
    await works(page, [KEPT_NOWHERE]);
  });

  test("uploads work where the page has no secure context", {}, async (t) => {
    const { untrustedHost } = await engine.browser();
    const page = await engine.openPage(t, { origin: stack.url.replace("localhost", untrustedHost) });
    const has = await page.evaluate(() => ({ secure: isSecureContext, locks: "locks" in navigator }));
    assert.deepEqual(has, { secure: false, locks: false });
    await works(page);
  });

  test("uploads work below a service worker that answers every request", {}, async (t) => {
    const page = await engine.openPage(t);
    await page.evaluate(() => app.serve());
    // From here on the page's workers are the service worker's too.
    await page.again();
    assert.ok(await page.evaluate(() => !!navigator.serviceWorker.controller));
    await works(page);
  });

  test("uploads work from the one script of `/inline`", {}, async (t) => {
    await works(await engine.openPage(t, { inline: true }));
  });
});
