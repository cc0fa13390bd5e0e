// Pages of one site that share their uploads, in every engine: what one has begun goes on in the others.

import assert from "node:assert/strict";
import { beforeEach } from "node:test";
import {
  arrives,
  ends,
  guestToken,
  inEachEngine,
  reaches,
  sees,
  until,
  upload,
  useSite,
  warnings,
} from "./harness.mjs";
import { goOn, nothingSentAgain, sent, underWay } from "./under-way.mjs";

const MIB = 1024 * 1024;

const stack = useSite();

beforeEach(() => stack.proxy.behave());

const options = { shared: true };

inEachEngine(stack, (engine, test) => {
  /** What a person's pages have in common. */
  const somebody = async () => {
    const workspace = stack.workspace();
    return { options, workspace, token: await guestToken(stack, workspace) };
  };

  const firefox = "its shared worker ends with its last page: another tab has to be there";
  test("an upload goes on while a person walks from page to page", { cannot: { firefox } }, async (t) => {
    const page = await engine.openPage(t, await somebody());
    const file = await underWay(stack, page);
    const before = sent(stack);
    await page.next();
    await sees(page, file.name, "is known, with what is stored", ({ stored }) => stored >= 2);
    await page.next();
    await sees(page, file.name, "is known there too", ({ stored }) => stored >= 2);
    file.letGo();
    await arrives(stack, page, file.name, file);
    nothingSentAgain(stack, before);
    assert.deepEqual(await warnings(page), []);
  });

  const dies = "its shared worker ends with its last page, and none is kept for a reload";
  test("an upload goes on through a reload", { cannot: { firefox, webkit: dies } }, async (t) => {
    const page = await engine.openPage(t, await somebody());
    const file = await underWay(stack, page);
    const before = sent(stack);
    await page.again();
    await sees(page, file.name, "is known, with what is stored", ({ stored }) => stored >= 2);
    file.letGo();
    await arrives(stack, page, file.name, file);
    nothingSentAgain(stack, before);
  });

  test("each page sees all uploads, and may pause them", {}, async (t) => {
    const person = await somebody();
    const page = await engine.openPage(t, person);
    const other = await engine.openPage(t, person);
    const file = await underWay(stack, page);
    await sees(other, file.name, "is known, with what is stored", ({ stored }) => stored >= 2);
    assert.deepEqual(await other.evaluate(() => app.elsewhere()), []);
    await other.evaluate((name) => app.order(name, "pause"), file.name);
    await reaches(page, file.name, "paused");
    await page.evaluate((name) => app.order(name, "resume"), file.name);
    await reaches(other, file.name, "uploading");
    file.letGo();
    await arrives(stack, page, file.name, file);
    await reaches(other, file.name, "available");
  });

  const webkit = "a file can no longer be read once the tab is closed where it was picked";
  test("an upload goes on once its own tab is closed", { cannot: { webkit } }, async (t) => {
    const person = await somebody();
    const page = await engine.openPage(t, person);
    const other = await engine.openPage(t, person);
    const file = await underWay(stack, page);
    const before = sent(stack);
    await sees(other, file.name, "is known", () => true);
    await page.close();
    file.letGo();
    await arrives(stack, other, file.name, file);
    nothingSentAgain(stack, before);
    assert.deepEqual(await other.evaluate(() => app.interrupted()), []);
  });

  test("a token comes from whichever page gives one", {}, async (t) => {
    const person = await somebody();
    const page = await engine.openPage(t, { ...person, token: `once ${person.token}` });
    const file = await stack.file("unanswered.bin", 12 * MIB);
    await upload(page, file);
    const other = await engine.openPage(t, person);
    await arrives(stack, other, file.name, file);
    await reaches(page, file.name, "available");
  });

  test("people who use the same browser share nothing", {}, async (t) => {
    const page = await engine.openPage(t, await somebody());
    const file = await underWay(stack, page);
    const other = await engine.openPage(t, await somebody());
    const own = await stack.file("another person's.bin", 12 * MIB);
    stack.proxy.behave();
    await upload(other, own);
    await arrives(stack, other, own.name, own);
    assert.equal(await other.evaluate((name) => app.look(name), file.name), undefined);
    assert.equal(await page.evaluate((name) => app.look(name), own.name), undefined);
    file.letGo();
    await arrives(stack, page, file.name, file);
  });

  test("a page whose shared worker crashes is told, and goes on with another", {}, async (t) => {
    const crashing = { ...options, sharedWorkerUrl: "/check/crashing.js" };
    const page = await engine.openPage(t, {
      ...(await somebody()),
      options: crashing,
      mayComplain: /crashed on demand/,
    });
    const file = await underWay(stack, page);
    await page.evaluate(() => new BroadcastChannel("crash").postMessage(""));
    assert.equal((await ends(page, file.name)).code, "worker_failed");
    await goOn(stack, page, file);
  });

  const ALONE = "uploads are not shared: ";
  test("a page that cannot share has workers of its own, and says why", {}, async (t) => {
    const nowhere = { ...options, sharedWorkerUrl: "/check/nowhere.js" };
    for (const [settings, reason] of [
      [{ options, inline: true }, "createWorker and wasmModule make workers for one page"],
      [{ options: nowhere, mayComplain: /nowhere/ }, "shared-worker.js cannot be loaded"],
    ]) {
      const page = await engine.openPage(t, settings);
      const file = await stack.file("alone.bin", 12 * MIB);
      await upload(page, file);
      await arrives(stack, page, file.name, file);
      assert.deepEqual(await warnings(page), [ALONE + reason]);
    }
  });
});
