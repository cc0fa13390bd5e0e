// How files come into <syncsphere-upload>, and which it takes: the example, built from the packed package, in Chromium,
// under a strict Content Security Policy, with real storage behind.

import assert from "node:assert/strict";
import { join } from "node:path";
import test, { beforeEach } from "node:test";
import { fileURLToPath } from "node:url";

import { build } from "vite";

import { freePorts } from "../../stack/ports.mjs";
import { Workspace } from "../../uploader-wasm/npm/dist/files.js";
import { folderOf, until, useStack } from "./harness.mjs";
import { BELOW, openWatched, usePublished } from "./published.mjs";

const MIB = 2 ** 20;
const EXAMPLE = fileURLToPath(new URL("../../examples/element", import.meta.url));
/** A picture of one point. */
const PICTURE =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const [port] = await freePorts(1);
const published = usePublished(port);
const stack = useStack({ vars: { ALLOWED_ORIGINS: published.site } });
let outDir;
let workspace;

beforeEach(() => {
  stack.proxy.behave();
  workspace ??= new Workspace({ endpoint: stack.coordinator.url, token: guestToken });
});

test("a dropped folder is walked, whatever the browser knows of handles", async (t) => {
  for (const [name, hasHandles] of [
    ["With handles", true],
    ["Without handles", false],
  ]) {
    const page = await openElement(t);
    const element = page.locator("syncsphere-upload");
    if (!hasHandles) await page.evaluate(() => delete DataTransferItem.prototype.getAsFileSystemHandle);
    await element.evaluate((one) => one.setAttribute("accept", ".txt, .heic"));
    const files = { "a.txt": 10, ".DS_Store": 10, "day/b.HEIC": 20, "day/deep/c.txt": 0, "day/d.exe": 5 };
    await drop(page, await folderOf(stack, name, files));
    for (const file of ["a.txt", "b.HEIC", "c.txt"]) await row(page, file).getByText("Uploaded").waitFor();
    await page.getByRole("alert").getByText("d.exe is not of a kind that is accepted.").waitFor();
    assert.equal(await element.locator("li").count(), 3);
    const records = await element.evaluate((one) => one.files.map(({ name, path }) => [name, path]));
    assert.deepEqual(records.sort(), [
      ["a.txt", `applications/${name}`],
      ["b.HEIC", `applications/${name}/day`],
      ["c.txt", `applications/${name}/day/deep`],
    ]);
    const [{ fileId }] = await element.evaluate((one) => one.files);
    assert.equal((await workspace.file(fileId)).status, "available");

    await drop(page, await folderOf(stack, `Hollow ${name}`, {}));
    await page.getByRole("alert").getByText(`Hollow ${name} holds no files.`).waitFor();
  }
});

test("picked files are checked as dropped ones are: by kind, size and number", async (t) => {
  const page = await openElement(t);
  const element = page.locator("syncsphere-upload");
  await page.evaluate(() => {
    globalThis.refused = [];
    document.addEventListener("uploadrefuse", ({ detail: { file, reason } }) =>
      globalThis.refused.push(`${file.name}: ${reason}`),
    );
  });
  await element.evaluate((one) => {
    one.accept = "image/*, text/csv";
    one.maxSize = 2000;
    one.maxFiles = 3;
  });
  assert.deepEqual(
    await element.evaluate((one) => [one.getAttribute("max-size"), one.getAttribute("max-files")]),
    ["2000", "3"],
  );
  await pick(page, "Choose files", [
    { name: "IMG_1.HEIC", mimeType: "", buffer: Buffer.alloc(10) },
    { name: "list.csv", mimeType: "application/vnd.ms-excel", buffer: Buffer.alloc(10) },
    { name: "tool.exe", mimeType: "application/x-msdownload", buffer: Buffer.alloc(10) },
    { name: "poster.png", mimeType: "image/png", buffer: Buffer.alloc(2001) },
  ]);
  await page.getByRole("alert").getByText("poster.png is larger than 2 kB.").waitFor();
  for (const name of ["IMG_1.HEIC", "list.csv"]) await row(page, name).getByText("Uploaded").waitFor();
  await pick(page, "Choose files", [
    { name: "dot.png", mimeType: "image/png", buffer: Buffer.from(PICTURE, "base64") },
    { name: "fourth.png", mimeType: "image/png", buffer: Buffer.alloc(10) },
    { name: "fifth.png", mimeType: "image/png", buffer: Buffer.alloc(10) },
  ]);
  await page.getByRole("alert").getByText("No more files can be added: the limit is 3.").waitFor();
  await row(page, "dot.png").getByText("Uploaded").waitFor();
  assert.equal(await element.locator("li").count(), 3);
  assert.deepEqual(await page.evaluate(() => globalThis.refused), [
    "tool.exe: type",
    "poster.png: size",
    "fourth.png: count",
  ]);
  // What can be shown is shown: not by an address, which this page's policy does not know.
  await row(page, "dot.png").locator("canvas").waitFor();
  assert.equal(await row(page, "IMG_1.HEIC").locator("canvas").isVisible(), false);
});

test("a folder is picked, a camera is asked for, and files are pasted", async (t) => {
  const page = await openElement(t);
  const element = page.locator("syncsphere-upload");
  await element.evaluate((one) => {
    one.multiple = false;
    one.directory = true;
  });
  await pick(page, "Choose a folder", await folderOf(stack, "Picked", { "x/y.txt": 3, "Thumbs.db": 3 }));
  await row(page, "y.txt").getByText("Uploaded").waitFor();
  assert.deepEqual(await element.evaluate((one) => one.files.map(({ path }) => path)), [
    "applications/Picked/x",
  ]);

  await element.evaluate((one) => {
    one.directory = false;
    one.capture = "environment";
  });
  const input = element.locator("input[type=file]");
  assert.deepEqual(await input.evaluate((one) => [one.getAttribute("capture"), one.webkitdirectory]), [
    "environment",
    false,
  ]);

  await element.evaluate((one) => {
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File(["x"], "pasted.png", { type: "image/png" }));
    const init = { bubbles: true, cancelable: true, composed: true, clipboardData };
    one.shadowRoot.querySelector("button").dispatchEvent(new ClipboardEvent("paste", init));
  });
  await row(page, "pasted.png").getByText("Uploaded").waitFor();
  assert.equal(await element.locator("li").count(), 1, "a control for one file replaces it");
});

test("pages that share their uploads list and steer each other's", async (t) => {
  const token = await guestToken();
  /** Of one person. */
  const share = (page) =>
    page.locator("syncsphere-upload").evaluate((one, token) => {
      one.shared = true;
      one.token = () => token;
    }, token);
  const page = await openElement(t);
  await share(page);
  const film = await stack.file("shared film.bin", 64 * MIB);
  stack.proxy.shape({ total: 16 * MIB, most: 32 * MIB });
  await pick(page, "Choose files", [film.path]);
  await until(async () => (await bar(page, film.name)) > 0.1, "it is under way");

  const other = await page.context().newPage();
  await other.goto(page.url());
  await share(other);
  await row(other, film.name)
    .getByRole("button", { name: `Pause: ${film.name}` })
    .click();
  for (const one of [page, other]) await row(one, film.name).getByText("Paused at").waitFor();
  // Whoever began it need not stay.
  await page.goto("about:blank");
  stack.proxy.shape();
  await row(other, film.name)
    .getByRole("button", { name: `Resume: ${film.name}` })
    .click();
  await row(other, film.name).getByText("Uploaded").waitFor();
  const [{ fileId }] = await other.locator("syncsphere-upload").evaluate((one) => one.files);
  assert.equal((await workspace.file(fileId)).size, 64 * MIB);
});

test("what an earlier page left unfinished is offered again", async (t) => {
  const page = await openElement(t);
  const film = await stack.file("film.bin", 48 * MIB);
  const other = await stack.file("other.bin", 32 * MIB);
  stack.proxy.shape({ total: 8 * MIB });
  await pick(page, "Choose files", [film.path, other.path]);
  for (const { name } of [film, other])
    await until(async () => (await bar(page, name)) > 0.3, `a part of ${name} is stored`);
  await page.reload();
  stack.proxy.shape();
  await row(page, film.name).getByText("Interrupted at").waitFor();
  assert.ok((await valueOf(page, "valueMissing")) === true, "an offer is no file, and holds no form up");

  await row(page, other.name)
    .getByRole("button", { name: `Discard: ${other.name}` })
    .click();
  await row(page, other.name).waitFor({ state: "detached" });
  await until(async () => {
    const { files } = await workspace.files({ name: other.name, status: ["uploading", "aborted"] });
    return files.length === 1 && files[0].status === "aborted";
  }, "storage is freed");

  await pick(page, `Continue: ${film.name}`, film.path);
  await row(page, film.name).getByText("Uploaded").waitFor();
  const { files } = await workspace.files({ name: film.name, status: ["uploading", "available", "aborted"] });
  assert.deepEqual(
    files.map(({ status }) => status),
    ["available"],
    "it is the same upload",
  );
  const [{ fileId }] = await page.locator("syncsphere-upload").evaluate((one) => one.files);
  assert.equal((await workspace.file(fileId)).size, film.size);
});

test("an upload that is tried again goes on where it was", async (t) => {
  const page = await openElement(t, { expected: (text) => text.includes("Failed to load resource") });
  const file = await stack.file("again.bin", 40 * MIB);
  stack.proxy.interfere(({ partNumber }) =>
    partNumber === 3 ? { kind: "answer", status: 403, code: "AccessDenied" } : undefined,
  );
  const sent = () => stack.proxy.storedPuts.map(({ partNumber }) => partNumber);
  await pick(page, "Choose files", file.path);
  await row(page, file.name).getByText("Failed").waitFor();
  const before = sent();
  stack.proxy.behave();
  await row(page, file.name).getByRole("button", { name: "Try again" }).click();
  await row(page, file.name).getByText("Uploaded").waitFor();
  const parts = [...before, ...sent()].sort((a, b) => a - b);
  assert.ok(before.length > 0 && !before.includes(3) && parts.includes(3), `${before}; ${parts}`);
  assert.equal(new Set(parts).size, parts.length, `nothing is sent twice: ${parts}`);
});

test("it speaks the page's language, and any other by an attribute", async (t) => {
  const page = await openElement(t);
  const element = page.locator("syncsphere-upload");
  const pickText = () => element.locator("button.pick").textContent();
  for (const [lang, text] of [
    ["de-AT", "Dateien wählen"],
    ["ar", "اختيار ملفات"],
    ["fr", "Choose files"],
  ]) {
    await element.evaluate((one, lang) => one.setAttribute("lang", lang), lang);
    assert.equal(await pickText(), text);
  }
  await element.evaluate((one) => one.setAttribute("texts", '{"chooseFiles": "Choisir", "failed": 1}'));
  assert.equal(await pickText(), "Choisir");
  assert.equal(await element.evaluate((one) => one.texts.failed), "Failed");
  await element.evaluate((one) => one.setAttribute("texts", "no JSON"));
  assert.equal(await pickText(), "Choose files");
});

async function openElement(t, options) {
  if (!outDir) {
    outDir = join(published.folder, "element-built");
    process.env.VITE_ENDPOINT = stack.coordinator.url;
    const root = await published.project(EXAMPLE);
    await build({
      root,
      base: BELOW,
      logLevel: "warn",
      configFile: false,
      build: { outDir, emptyOutDir: true },
    });
  }
  const coordinator = stack.coordinator.url;
  published.serve(outDir, [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "worker-src 'self'",
    `connect-src ${coordinator} ${coordinator.replace("http", "ws")} ${stack.proxy.endpoint} 'self'`,
  ]);
  return openWatched(t, stack.browser, published.address, { locale: "en-US", ...options });
}

async function guestToken() {
  const body = new URLSearchParams({ grant_type: "urn:syncsphere:guest", workspace: "examples" });
  const reply = await fetch(`${stack.coordinator.url}/v1/auth/token`, { method: "POST", body });
  return (await reply.json()).access_token;
}

function row(page, name) {
  return page.locator("syncsphere-upload li").filter({ hasText: name });
}

/** How far the bar of a row is, from 0 to 1. */
async function bar(page, name) {
  return page.getByRole("progressbar", { name }).evaluate((one) => one.value);
}

async function valueOf(page, flag) {
  return page.locator("syncsphere-upload").evaluate(({ validity }, flag) => validity[flag], flag);
}

async function pick(page, label, files) {
  const [chooser] = await Promise.all([
    page.waitForEvent("filechooser"),
    page.getByRole("button", { name: label }).click(),
  ]);
  await chooser.setFiles(files);
}

/** Drags a file or folder of this machine over the element and lets it go. */
async function drop(page, path) {
  const box = await page.locator("syncsphere-upload .zone").boundingBox();
  const browser = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await browser.send("Input.dispatchDragEvent", { type, x: box.x + 10, y: box.y + 10, data });
  }
}
