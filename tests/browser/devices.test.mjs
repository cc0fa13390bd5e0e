// One person with several devices: what one has begun, another goes on with, by a link that makes both the same guest.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { download, pick, reaches, until, uploadRow, useStack } from "./harness.mjs";

const MIB = 1024 * 1024;

const stack = useStack();

beforeEach(() => stack.proxy.behave());

test("what was begun on another device goes on here, and nothing is sent twice", async (t) => {
  const first = await stack.openPage(t);
  const file = await begin(first, "begun there.bin");
  const link = await linkOf(first);
  // This browser has it: it is not shown as another device's.
  await first.evaluate(() => dispatchEvent(new Event("focus")));
  await until(
    async () => (await openHere(first)).join() === "true",
    "the upload is listed as this browser's",
  );
  assert.equal(await offered(first).count(), 0);

  const second = await stack.openPage(t, { workspace: first.workspace });
  assert.equal(await offered(second).count(), 0, "another guest sees nothing of it");
  await second.goto("about:blank");
  await second.goto(link);
  await second.locator("#accept-guest").waitFor();
  assert.ok(!second.url().includes("#"), "the secret leaves the address");
  assert.equal(await offered(second).count(), 0, "nothing is taken over unasked");
  await second.locator("#accept-guest").click();
  const row = offered(second);
  await row.waitFor();
  assert.match(await row.innerText(), /begun there\.bin[\s\S]*41\.9 MB[\s\S]*kept until/);

  const impostor = await stack.file(file.name, file.size);
  await row.getByTestId("continue-file").setInputFiles(impostor.path);
  await row.getByText("(file_changed)").waitFor();

  await first.close();
  stack.proxy.interfere(() => undefined);
  await row.getByTestId("continue-file").setInputFiles(file.path);
  await reaches(second, file.name, "available");
  await row.waitFor({ state: "detached" });
  assert.deepEqual(partsStored().toSorted(), [1, 2, 3, 4, 5, 6], "each part is stored once");
  assert.equal((await download(second, file.name)).sha256, file.sha256);
});

test("what was begun on another device is given up from here", async (t) => {
  const first = await stack.openPage(t);
  const file = await begin(first, "given up.bin");
  const second = await stack.openPage(t, { workspace: first.workspace });
  await join(second, await linkOf(first));
  const row = offered(second);
  await row.waitFor();
  await row.getByTestId("discard").click();
  await row.waitFor({ state: "detached" });
  file.goOn();
  await reaches(first, file.name, "failed");
  await uploadRow(first, file.name).getByText("(upload_gone)").waitFor();
});

test("an upload that ends on its own device leaves the other's list", async (t) => {
  const first = await stack.openPage(t);
  const file = await begin(first, "ends there.bin");
  const second = await stack.openPage(t, { workspace: first.workspace });
  await join(second, await linkOf(first));
  await offered(second).waitFor();
  file.goOn();
  await reaches(first, file.name, "available");
  await offered(second).waitFor({ state: "detached" });
});

test("an upload that is only just begun here is not taken for another device's", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("just begun.bin", 40 * MIB);
  let begun, hear;
  const isBegun = new Promise((resolve) => (begun = resolve));
  const isHeard = new Promise((resolve) => (hear = resolve));
  await page.context().route("**/v1/uploads", async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    const response = await route.fetch();
    begun();
    await isHeard;
    await route.fulfill({ response });
  });
  await pick(page, file);
  await isBegun;
  let looks = 0;
  page.on(
    "response",
    (response) =>
      (looks += Number(response.request().method() === "GET" && /\/v1\/uploads$/.test(response.url()))),
  );
  // The second look comes after the first has been shown.
  await until(async () => {
    await page.evaluate(() => dispatchEvent(new Event("focus")));
    return looks >= 2;
  }, "the page looks twice");
  assert.deepEqual(await openHere(page), [false], "the coordinator has it, and this browser does not know");
  assert.equal(await offered(page).count(), 0);
  hear();
  await reaches(page, file.name, "available");
});

test("a guest is the same after a reload, and a link that is refused changes nothing", async (t) => {
  const first = await stack.openPage(t);
  const link = await linkOf(first);
  await first.reload();
  assert.equal(await linkOf(first), link);

  const second = await stack.openPage(t, { workspace: first.workspace });
  const own = await linkOf(second);
  assert.notEqual(own, link);
  await second.goto("about:blank");
  await second.goto(link);
  await second.locator("#refuse-guest").click();
  await second.locator("#invitation").waitFor({ state: "hidden" });
  assert.equal(await linkOf(second), own);
  for (const fragment of [
    "#guest=short",
    `#guest=${"a".repeat(129)}`,
    "#guest=aaaaaaaaaaaaaaaaaaaaa%0A",
    new URL(own).hash,
  ]) {
    await second.goto("about:blank");
    await second.goto(`${stack.url}/?workspace=${second.workspace}${fragment}`);
    await second.locator('#files[aria-busy="false"]').waitFor();
    assert.equal(await second.locator("#invitation").isVisible(), false, fragment);
  }
});

test("the link is copied, or is there to be copied", async (t) => {
  const page = await stack.openPage(t, { permissions: ["clipboard-read", "clipboard-write"] });
  await page.locator("#other-device summary").click();
  await page.locator("#copy-link").click();
  await page.getByText("The link is copied.").first().waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await linkOf(page));
});

/** Begins an upload of six parts of which two are stored, and the rest once the `file` is to `goOn`. */
async function begin(page, name) {
  const file = await stack.file(name, 40 * MIB);
  let goOn;
  const held = new Promise((resolve) => (goOn = resolve));
  stack.proxy.interfere(({ partNumber }) => (partNumber > 2 ? { kind: "hold", until: held } : undefined));
  await pick(page, file);
  await until(() => partsStored().length === 2, "two parts are stored");
  return { ...file, goOn };
}

/** Opens the link of another device, and takes it over. */
async function join(page, link) {
  await page.goto("about:blank");
  await page.goto(link);
  await page.locator("#accept-guest").click();
}

function linkOf(page) {
  return page.locator("#device-link").inputValue();
}

/** The rows of what other devices have begun. */
function offered(page) {
  return page.locator('li[data-testid="other-devices"]');
}

/** Of each open upload whether the page's browser has it. */
function openHere(page) {
  return page.evaluate(async () => (await uploader.openUploads()).map(({ keptHere }) => keptHere));
}

/** The numbers of the parts that storage has taken. */
function partsStored() {
  return stack.proxy.storedPuts.map(({ partNumber }) => partNumber);
}
