// What people do to their uploads, and what happens to their pages, in every engine.

import assert from "node:assert/strict";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach } from "node:test";
import {
  arrives,
  inEachEngine,
  launchBrowser,
  reaches,
  until,
  upload,
  useSite,
  whyMissing,
  ENGINE_NAMES,
} from "./harness.mjs";
import { goOn, nothingSentAgain, sent, underWay } from "./under-way.mjs";

const stack = useSite();

beforeEach(() => stack.proxy.behave());

inEachEngine(stack, (engine, test) => {
  test("a paused upload sends nothing, and goes on", {}, async (t) => {
    const page = await engine.openPage(t);
    const file = await underWay(stack, page);
    await page.evaluate((name) => app.order(name, "pause"), file.name);
    await reaches(page, file.name, "paused");
    // What is held is not read, so that the proxy notices a closed connection when it goes on only.
    file.letGo();
    await until(() => stack.proxy.open === 0, "no request is open");
    const before = sent(stack);
    await page.evaluate((name) => app.order(name, "resume"), file.name);
    await arrives(stack, page, file.name, file);
    nothingSentAgain(stack, before);
  });

  test("an aborted upload ends its requests, and is never listed", {}, async (t) => {
    const page = await engine.openPage(t);
    const file = await underWay(stack, page);
    await page.evaluate((name) => app.order(name, "abort"), file.name);
    assert.equal((await reaches(page, file.name, "aborted")).code, "aborted");
    file.letGo();
    await until(() => stack.proxy.open === 0, "no request is open");
    await until(async () => !(await page.evaluate(() => app.kept())), "what was written down is deleted");
    await page.again();
    assert.deepEqual(await page.evaluate(() => app.interrupted()), []);
  });

  test("a page that is reloaded in the middle goes on", {}, async (t) => {
    const page = await engine.openPage(t);
    const file = await underWay(stack, page);
    await page.again();
    await goOn(stack, page, file);
  });

  const webkit = "a MiniBrowser that is driven keeps no profile";
  test("after its browser was killed, an upload goes on", { cannot: { webkit } }, async (t) => {
    const profile = await mkdtemp(join(stack.folder, "profile-"));
    const workspace = stack.workspace();
    const first = await launchBrowser(engine.name, { profile });
    t.after(() => first.close());
    const page = await engine.openPage(t, { browser: first, workspace });
    const file = await underWay(stack, page);
    await until(() => page.evaluate(() => app.kept()), "the upload is written down");
    await first.kill();
    const second = await launchBrowser(engine.name, { profile });
    t.after(() => second.close());
    await goOn(stack, await engine.openPage(t, { browser: second, workspace }), file);
  });

  test("two tabs: one shows what the other does, and takes nothing away from it", {}, async (t) => {
    const workspace = stack.workspace();
    const one = await engine.openPage(t, { workspace });
    const file = await underWay(stack, one);
    const other = await engine.openPage(t, { workspace });
    const shown = await until(
      async () => (await other.evaluate(() => app.elsewhere()))[0],
      "the other tab shows the upload",
    );
    assert.equal(shown.name, file.name);
    assert.deepEqual(await other.evaluate(() => app.interrupted()), []);
    file.letGo();
    await arrives(stack, one, file.name, file);
    await until(
      async () => (await other.evaluate(() => app.elsewhere())).length === 0,
      "the other tab shows it no more",
    );
  });

  const others = ENGINE_NAMES.filter((name) => name === engine.name || !whyMissing(name));
  const listener = others[(others.indexOf(engine.name) + 1) % others.length];
  test(`what is uploaded here is told in ${listener}`, {}, async (t) => {
    const workspace = stack.workspace();
    const browser = await launchBrowser(listener);
    t.after(() => browser.close());
    const there = await engine.openPage(t, { browser, workspace });
    await there.evaluate(() => void app.listen());
    await until(() => there.evaluate(() => globalThis.feedIsLive), "the other engine listens");
    const here = await engine.openPage(t, { workspace });
    const file = await stack.file("for everybody.bin", 100_000);
    await upload(here, file);
    await arrives(stack, here, file.name, file);
    await until(
      async () =>
        (await there.evaluate(() => globalThis.changes)).some(
          ([kind, name]) => kind === "file.available" && name === file.name,
        ),
      "the other engine has heard of it",
    );
  });
});
