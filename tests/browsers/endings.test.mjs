// What people do to their uploads, and what happens to their pages, in every engine.

import assert from "node:assert/strict";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach } from "node:test";
import {
  arrives,
  heldFile,
  inEachEngine,
  launchBrowser,
  loads,
  reaches,
  until,
  upload,
  useSite,
  ENGINE_NAMES,
} from "./harness.mjs";

const MIB = 1024 * 1024;

const stack = useSite();

beforeEach(() => stack.proxy.behave());

/** The parts that storage took, each once for every time. */
const sent = () =>
  stack.proxy.requests
    .filter(({ method, status, partNumber }) => method === "PUT" && status === 200 && partNumber)
    .map(({ partNumber }) => partNumber);

/** A file whose first two parts are stored, as its page knows, and whose others are held until `letGo`. */
async function underWay(page, name = "under way.bin") {
  const file = await heldFile(stack, name, 40 * MIB, 2);
  await upload(page, file);
  const isKnown = async () => (await page.evaluate((name) => app.look(name), file.name)).stored >= 2;
  await until(isKnown, "two parts are stored");
  return file;
}

async function interrupted(page) {
  return await until(
    async () => (await page.evaluate(() => app.interrupted()))[0],
    "it counts as interrupted",
  );
}

/** Goes on with what an earlier page left, and sees that nothing stored is sent again. */
async function goOn(page, file) {
  const left = await interrupted(page);
  assert.equal(left.name, file.name);
  const before = sent();
  file.letGo();
  await page.setFiles("#files", [file.path]);
  await page.evaluate((uploadId, name) => app.continue(uploadId, name), left.uploadId, file.name);
  await arrives(stack, page, file.name, file);
  const again = sent().slice(before.length);
  assert.deepEqual(
    again.filter((part) => before.includes(part)),
    [],
    "no stored part is sent again",
  );
  assert.deepEqual(await page.evaluate(() => app.interrupted()), []);
}

inEachEngine(stack, (engine, test) => {
  test("a paused upload sends nothing, and goes on", {}, async (t) => {
    const page = await engine.openPage(t);
    const file = await underWay(page);
    await page.evaluate((name) => app.order(name, "pause"), file.name);
    await reaches(page, file.name, "paused");
    // What is held is not read, so that the proxy notices a closed connection when it goes on only.
    file.letGo();
    await until(() => stack.proxy.open === 0, "no request is open");
    const before = sent();
    await page.evaluate((name) => app.order(name, "resume"), file.name);
    await arrives(stack, page, file.name, file);
    const again = sent().slice(before.length);
    assert.deepEqual(
      again.filter((part) => before.includes(part)),
      [],
      "no stored part is sent again",
    );
  });

  test("an aborted upload ends its requests, and is never listed", {}, async (t) => {
    const page = await engine.openPage(t);
    const file = await underWay(page);
    await page.evaluate((name) => app.order(name, "abort"), file.name);
    assert.equal((await reaches(page, file.name, "aborted")).code, "aborted");
    file.letGo();
    await until(() => stack.proxy.open === 0, "no request is open");
    await page.again();
    assert.deepEqual(await page.evaluate(() => app.interrupted()), []);
  });

  test("a page that is reloaded in the middle goes on", {}, async (t) => {
    const page = await engine.openPage(t);
    const file = await underWay(page);
    await page.again();
    await goOn(page, file);
  });

  const webkit = "a MiniBrowser that is driven keeps no profile";
  test("after its browser was killed, an upload goes on", { cannot: { webkit } }, async (t) => {
    const profile = await mkdtemp(join(stack.folder, "profile-"));
    const workspace = stack.workspace();
    const first = await launchBrowser(engine.name, { profile });
    t.after(() => first.close());
    const page = await engine.openPage(t, { browser: first, workspace });
    const file = await underWay(page);
    await until(() => page.evaluate(() => app.kept()), "the upload is written down");
    await first.kill();
    const second = await launchBrowser(engine.name, { profile });
    t.after(() => second.close());
    await goOn(await engine.openPage(t, { browser: second, workspace }), file);
  });

  test("two tabs: one shows what the other does, and takes nothing away from it", {}, async (t) => {
    const workspace = stack.workspace();
    const one = await engine.openPage(t, { workspace });
    const file = await underWay(one);
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

  const listener = ENGINE_NAMES[(ENGINE_NAMES.indexOf(engine.name) + 1) % ENGINE_NAMES.length];
  test(`what is uploaded here is told in ${listener}`, {}, async (t) => {
    const workspace = stack.workspace();
    const browser = await launchBrowser(listener);
    t.after(() => browser.close());
    const there = await engine.openPage(t, { browser, workspace });
    await there.evaluate(() => void app.listen());
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
