// The list of the workspace's files, over time and at length, and pages that outlive tokens and URLs.

import { beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { download, fileRow, loads, pick, reaches, until, uploadRow, useStack } from "./harness.mjs";

const MIB = 1024 * 1024;

const vars = { URL_TTL_SECONDS: "4" };
const stack = useStack({ vars });

beforeEach(() => stack.proxy.behave());

test("a long list comes page by page, and stays live", async (t) => {
  const workspace = stack.workspace();
  await open(workspace, 0, 250);
  const page = await stack.openPage(t, { workspace });
  const rows = page.getByTestId("file");
  assert.equal(await rows.count(), 100);
  assert.equal(await rows.first().getAttribute("data-name"), "file 249");

  await open(workspace, 250, 3);
  await fileRow(page, "file 252").waitFor();
  assert.equal(await rows.first().getAttribute("data-name"), "file 252", "new files come first");

  await page.getByRole("button", { name: "Show older files" }).click();
  await fileRow(page, "file 50").waitFor();
  assert.equal(
    await page.evaluate(() => document.activeElement.dataset.name),
    "file 149",
    "the keyboard goes on there",
  );
  await page.getByRole("button", { name: "Show older files" }).click();
  await fileRow(page, "file 0").waitFor();
  assert.equal(await page.getByRole("button", { name: "Show older files" }).isVisible(), false);
  const names = await rows.evaluateAll((all) => all.map((row) => row.dataset.name));
  assert.deepEqual(
    names,
    Array.from({ length: 253 }, (_, n) => `file ${252 - n}`),
  );
});

test("files are searched by the beginning of their names, page by page, and stay live", async (t) => {
  const workspace = stack.workspace();
  await open(workspace, 0, 120);
  const page = await stack.openPage(t, { workspace });
  const rows = page.getByTestId("file");
  const names = () => rows.evaluateAll((all) => all.map(({ dataset }) => dataset.name));
  const field = page.getByRole("searchbox", { name: "Search for files" });
  await field.fill("file 11");
  await until(async () => (await rows.count()) === 11, "only those are left");
  const found = ["file 11", ...Array.from({ length: 10 }, (_, n) => `file 11${n}`)];
  assert.deepEqual(await names(), found);
  await page.locator("#announcer").getByText("11 files found.").waitFor();

  await open(workspace, 1170, 1);
  await open(workspace, 999, 1);
  await fileRow(page, "file 1170").waitFor();
  assert.deepEqual(await names(), found.toSpliced(found.indexOf("file 118"), 0, "file 1170"));

  await field.fill("file");
  await fileRow(page, "file 0").waitFor();
  assert.equal(await rows.count(), 100);
  await page.getByRole("button", { name: "Show more files" }).click();
  await fileRow(page, "file 999").waitFor();
  assert.equal(await rows.count(), 122);

  await field.fill("nothing");
  await page.getByText("No file has a name that begins with \u2068nothing\u2069.").waitFor();
  await field.fill("");
  await fileRow(page, "file 999").waitFor();
  assert.deepEqual((await names()).slice(0, 3), ["file 999", "file 1170", "file 119"]);
});

test("a file that someone deletes goes from every open page", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("fleeting.txt", 10);
  await pick(page, file);
  const row = fileRow(page, file.name).and(page.locator('[data-status="available"]'));
  const fileId = await row.getAttribute("data-file-id");
  const headers = { authorization: `Bearer ${await guestToken(page.workspace)}` };
  const reply = await fetch(`${stack.url}/v1/files/${fileId}`, { method: "DELETE", headers });
  assert.equal(reply.status, 200);
  await fileRow(page, file.name).waitFor({ state: "detached" });
  await page.getByText("No files yet.").waitFor();
});

test("an upload that rests longer than its URLs live asks for new ones", async (t) => {
  const page = await stack.openPage(t);
  const file = await stack.file("slow.bin", 72 * MIB);
  let signings = 0;
  page.context().on("request", (request) => {
    if (request.url().endsWith("/parts")) signings += 1;
  });
  stack.proxy.shape({ total: 8 * MIB });
  await pick(page, file);
  await loads(page, file.name, 8 * MIB);
  await uploadRow(page, file.name).getByTestId("pause").click();
  await reaches(page, file.name, "paused");
  const dead = Date.now() + Number(vars.URL_TTL_SECONDS) * 1000;
  await until(() => Date.now() > dead, "all URLs have run out");

  const before = signings;
  stack.proxy.shape();
  await uploadRow(page, file.name).getByTestId("resume").click();
  await reaches(page, file.name, "available");
  assert.ok(signings > before, "new URLs were asked for");
  const refused = stack.proxy.requests.filter(({ status }) => status === 403);
  assert.deepEqual(refused, [], "no request was started in vain");
  assert.equal((await download(page, file.name)).sha256, file.sha256);
});

test("the coordinator restarts in the middle: the upload and both windows go on", async (t) => {
  const sender = await stack.openPage(t);
  const watcher = await stack.openPage(t, { workspace: sender.workspace });
  const file = await stack.file("patient.bin", 48 * MIB);
  stack.proxy.shape({ total: 16 * MIB, most: 32 * MIB });
  await pick(sender, file);
  await loads(sender, file.name, 16 * MIB);
  await stack.coordinator.stop();
  stack.proxy.shape();
  await reaches(sender, file.name, "offline");
  await watcher.getByText("Not live at the moment.").waitFor();
  await stack.startCoordinator(vars);
  await reaches(sender, file.name, "available");
  assert.equal((await download(watcher, file.name)).sha256, file.sha256);
  assert.deepEqual((await watcher.seen()).files[file.name], ["uploading", "available"]);
  await watcher.getByText("Not live at the moment.").waitFor({ state: "hidden" });
});

/** Opens uploads of files "file FIRST" to "file LAST" that nobody will go on with. */
async function open(workspace, first, count) {
  const headers = {
    authorization: `Bearer ${await guestToken(workspace)}`,
    "content-type": "application/json",
  };
  const files = Array.from({ length: count }, (_, n) => ({
    clientRef: String(n),
    name: `file ${first + n}`,
    size: 1,
    parts: [],
  }));
  for (let at = 0; at < files.length; at += 100) {
    const body = JSON.stringify({ files: files.slice(at, at + 100) });
    const reply = await fetch(`${stack.url}/v1/uploads`, { method: "POST", headers, body });
    assert.equal(reply.status, 200, await reply.clone().text());
  }
}

async function guestToken(workspace) {
  const body = new URLSearchParams({ grant_type: "urn:syncsphere:guest", workspace });
  const reply = await fetch(`${stack.url}/v1/auth/token`, { method: "POST", body });
  return (await reply.json()).access_token;
}
