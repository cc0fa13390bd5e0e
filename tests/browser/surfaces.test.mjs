// The surfaces over the facade, in the examples that show them: each example is built by Vite from the packed package,
// and used in Chromium as a person does, under a strict Content Security Policy, with real storage behind.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import test, { beforeEach } from "node:test";
import { fileURLToPath } from "node:url";

import { build } from "vite";

import { freePorts } from "../../stack/ports.mjs";
import { Workspace } from "../../uploader-wasm/npm/dist/files.js";
import { ARTIFACTS, sha256, until, useStack } from "./harness.mjs";
import { Client } from "../worker/support.mjs";
import { BELOW, openWatched, usePublished } from "./published.mjs";

const MIB = 2 ** 20;
/** So slow that a button is pressed in time, and so much that the system's buffers do not swallow it. */
const SLOW = { total: 2 * MIB };
const LARGE = 64 * MIB;

const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));
const HIDDEN = fileURLToPath(new URL("../fixtures/hidden", import.meta.url));

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const [port] = await freePorts(1);
const published = usePublished(port);
const stack = useStack({ vars: { ALLOWED_ORIGINS: published.site } });
/** Where the examples put their files. */
let workspace;

beforeEach(() => {
  stack.proxy.behave();
  workspace ??= new Workspace({ endpoint: stack.coordinator.url, token: guestToken });
});

test("a plain form sends the ids of what <syncsphere-upload> has uploaded, by keyboard alone", async (t) => {
  const page = await openElement(t, { locale: "en-US" });
  // Listened for from the beginning: Playwright needs a moment to catch pickers, and a key opens one at once.
  const choosers = [];
  page.on("filechooser", (chooser) => choosers.push(chooser));
  const letter = await stack.file("letter.bin", MIB);
  const film = await stack.file("film of the summer.bin", LARGE);
  await accessible(page, "empty");

  await tabTo(page, "Your name");
  await page.keyboard.type("Ada");
  await tabTo(page, "Send");
  await page.keyboard.press("Enter");
  await focused(page, "Choose files"); // which is where the browser says that a file is missing
  assert.deepEqual(await validity(page), { valueMissing: true, message: "Please choose a file." });

  stack.proxy.shape(SLOW);
  await page.keyboard.press("Space");
  const chooser = await until(() => choosers[0], "the picker opens");
  assert.ok(chooser.isMultiple());
  await chooser.setFiles([letter.path, film.path]);
  await until(async () => (await bar(page, film.name)) > 0, "bytes of the film are on their way");
  assert.deepEqual(await validity(page), {
    customError: true,
    message: "Please wait until the upload is finished.",
  });

  await tabTo(page, `Pause: ${film.name}`);
  await page.keyboard.press("Enter");
  await focused(page, `Resume: ${film.name}`);
  await row(page, film.name).getByText("Paused at").waitFor();
  await row(page, letter.name).getByText("Uploaded").waitFor();
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await accessible(page, `busy, ${colorScheme}`);
  }
  stack.proxy.shape();
  await page.keyboard.press("Space");
  await row(page, film.name).getByText("Uploaded").waitFor();
  await page.getByRole("status").getByText("2 of 2 files are uploaded.").waitFor();
  assert.deepEqual(await validity(page), { valid: true, message: "" });

  await tabTo(page, "Send");
  await Promise.all([page.waitForURL(published.address + "apply"), page.keyboard.press("Enter")]);
  const [name, ...papers] = published.submissions.at(-1);
  assert.deepEqual(name, ["name", "Ada"]);
  assert.deepEqual(
    papers.map(([field]) => field),
    ["paper", "paper"],
  );
  const sent = await Promise.all(papers.map(([, fileId]) => workspace.file(fileId)));
  assert.deepEqual(
    sent.map(({ name, path, status }) => ({ name, path, status })),
    [letter, film].map(({ name }) => ({ name, path: "applications", status: "available" })),
  );
  for (const [index, file] of [letter, film].entries()) {
    assert.equal(await stored(sent[index].fileId), file.sha256);
  }

  await page.goBack();
  await row(page, film.name).getByText("Uploaded").waitFor();
  assert.deepEqual(
    await formData(page, "paper"),
    papers.map(([, fileId]) => fileId),
  );
});

test("<syncsphere-upload> is a form control: reset, disabled, removed, replaced, dropped on", async (t) => {
  const page = await openElement(t);
  const element = page.locator("syncsphere-upload");
  await page.evaluate(() => {
    globalThis.heard = [];
    for (const type of ["uploadstart", "uploadend", "uploaderror", "change"]) {
      document.addEventListener(type, ({ type, target }) => {
        if (target.matches("syncsphere-upload")) globalThis.heard.push(type);
      });
    }
  });

  // Dropped, and only what is accepted
  await element.evaluate((one) => (one.accept = ".txt, image/*"));
  await drop(element, [
    ["a.txt", "text/plain"],
    ["b.png", "image/png"],
    ["c.exe", "application/x-msdownload"],
  ]);
  for (const name of ["a.txt", "b.png"]) await row(page, name).getByText("Uploaded").waitFor();
  assert.equal(await element.locator("li").count(), 2);
  assert.equal((await formData(page, "paper")).length, 2);
  const heard = await page.evaluate(() => globalThis.heard);
  assert.deepEqual(heard.filter((type) => type === "uploadstart").length, 2);
  assert.deepEqual(heard.filter((type) => type === "uploadend").length, 2);
  assert.ok(heard.includes("change") && !heard.includes("uploaderror"), heard.join());

  // Removed from the form, not from the workspace
  const [first] = await element.evaluate((one) => one.files.map(({ fileId }) => fileId));
  await element.getByRole("button", { name: "Remove: a.txt" }).click();
  await focused(page, "Choose files");
  assert.equal((await formData(page, "paper")).length, 1);
  assert.equal((await workspace.file(first)).status, "available");

  // Disabled by its fieldset
  const fieldset = page.locator("fieldset");
  await fieldset.evaluate((one) => (one.disabled = true));
  assert.ok(await element.getByRole("button", { name: "Choose files" }).isDisabled());
  assert.ok(await element.getByRole("button", { name: "Remove: b.png" }).isDisabled());
  await drop(element, [["d.txt", "text/plain"]]);
  assert.equal(await element.locator("li").count(), 1);
  assert.deepEqual(await formData(page, "paper"), []);
  await fieldset.evaluate((one) => (one.disabled = false));

  // A control for one file replaces it
  await element.evaluate((one) => {
    one.multiple = false;
    one.accept = "";
  });
  const large = await stack.file("large.bin", LARGE);
  stack.proxy.shape(SLOW);
  await pick(page, "Choose a file", large.path);
  await until(async () => (await bar(page, large.name)) > 0, "bytes are on their way");
  assert.equal(await element.locator("li").count(), 1);

  // Reset gives up what is under way
  await page.getByRole("button", { name: "Start over" }).click();
  assert.equal(await element.locator("li").count(), 0);
  assert.deepEqual(await validity(page), { valueMissing: true, message: "Please choose a file." });
  await until(async () => {
    const { files } = await workspace.files({ name: large.name, status: ["uploading", "aborted"] });
    return files.length === 1 && files[0].status === "aborted";
  }, "storage is freed");
});

test("<syncsphere-upload confirm-leave> has the browser ask before an upload is left, and only then", async (t) => {
  const page = await openElement(t);
  const element = page.locator("syncsphere-upload");
  const asked = [];
  page.on("dialog", (dialog) => {
    asked.push(dialog.type());
    return dialog.dismiss();
  });
  const leave = () => page.evaluate(() => void setTimeout(() => location.reload()));
  const isHere = () => page.evaluate(() => globalThis.here === true);
  await page.evaluate(() => (globalThis.here = true));
  const large = await stack.file("half way.bin", LARGE);
  stack.proxy.shape(SLOW);
  await pick(page, "Choose files", large.path);
  await until(async () => (await bar(page, large.name)) > 0, "bytes are on their way");
  await element.evaluate((one) => (one.confirmLeave = true));
  await leave();
  await until(() => asked.length === 1, "the browser asks");
  assert.deepEqual(asked, ["beforeunload"]);
  assert.ok(await isHere());
  await element.getByRole("button", { name: `Cancel: ${large.name}` }).click();
  // Until its worker has answered, the upload is under way, and the browser would ask for it once more.
  await row(page, large.name).waitFor({ state: "detached" });
  await leave();
  await until(async () => !(await isHere().catch(() => true)), "the page is left");
  assert.equal(asked.length, 1);
});

test("<syncsphere-upload> says why an upload failed, tries again, and speaks other languages", async (t) => {
  const refused = (message) => message.includes("Failed to load resource");
  const page = await openElement(t, { expected: refused });
  const element = page.locator("syncsphere-upload");
  await element.evaluate((one) => {
    globalThis.good = one.token;
    one.token = () => {
      throw Object.assign(new Error("signed out"), { retryable: false });
    };
    one.addEventListener("uploaderror", ({ detail }) => (globalThis.problem = detail.error.code));
    one.texts = { chooseFiles: "Dateien wählen", retry: "Noch einmal", notUploaded: "{name} fehlt noch." };
  });
  const file = await stack.file("again.bin", MIB);
  await pick(page, "Dateien wählen", file.path);
  await row(page, file.name).getByText("Failed").waitFor();
  assert.equal(await page.evaluate(() => globalThis.problem), "unauthenticated");
  await page.getByRole("status").getByText("again.bin fehlt noch.").waitFor();
  await accessible(page, "failed");
  await element.evaluate((one) => (one.token = globalThis.good));
  await element.getByRole("button", { name: "Noch einmal: again.bin" }).click();
  await row(page, file.name).getByText("Uploaded").waitFor();
  assert.equal((await formData(page, "paper")).length, 1);

  // Moved about the page it keeps its uploader; taken away, it ends it.
  const workers = page.workers();
  assert.ok(workers.length > 1);
  await element.evaluate((one) => document.querySelector("main").append(one));
  await element.evaluate(() => new Promise(requestAnimationFrame));
  const isSame = (worker, index) => worker === workers[index];
  assert.ok(page.workers().length === workers.length && page.workers().every(isSame), "its workers stay");
  await element.evaluate((one) => one.remove());
  await until(() => page.workers().length === 0, "the workers have ended");
});

test("a component that React hides and shows again hears each change once", async (t) => {
  await serveApp(HIDDEN, "", reactOf("19"));
  const client = await Client.guest(stack.coordinator.url, "examples");
  const since = await workspace.newest();
  const page = await openWatched(t, stack.browser, `${published.address}?since=${since}`);
  const output = page.locator("output");
  const happens = () => client.open(Buffer.from("one"));
  await happens();
  await output.getByText("1", { exact: true }).waitFor();
  await page.getByRole("button").click();
  await output.and(page.locator('[data-live="false"]')).waitFor({ state: "attached" });
  await happens();
  await page.getByRole("button").click();
  await output.and(page.locator('[data-live="true"]')).waitFor();
  await happens();
  await until(async () => (await output.textContent()).includes("3"), "the third change is heard");
  assert.equal(await output.textContent(), "1 2 3");
});

// React's own check for hooks that do not clean up, StrictMode, is in its development build alone.
for (const version of ["19", "18"]) {
  test(`React ${version}: uploads with buttons, and the workspace as it changes`, async (t) => {
    await serveApp(join(EXAMPLES, "react"), version, {
      define: { "process.env.NODE_ENV": '"development"' },
      ...reactOf(version),
    });
    const sockets = [];
    const page = await openWatched(t, stack.browser, "about:blank");
    page.on("websocket", (socket) => sockets.push(socket));
    await page.goto(published.address);
    const openSockets = () => sockets.filter((socket) => !socket.isClosed()).length;
    const uploads = page.getByRole("region", { name: "Uploads" });
    const listed = page.getByRole("region", { name: "Workspace" });
    await listed.getByText("Live").waitFor();
    await until(() => openSockets() === 1, "StrictMode's first mount has let go of its connection");

    const file = await stack.file(`react ${version}.bin`, LARGE);
    stack.proxy.shape(SLOW);
    await uploads.locator("input").setInputFiles(file.path);
    const upload = uploads.getByRole("listitem").filter({ hasText: file.name });
    await until(async () => (await upload.locator("progress").getAttribute("value")) > 0, "it moves");
    await upload.getByRole("button", { name: "Pause" }).click();
    await upload.and(page.locator('[data-state="paused"]')).waitFor();
    await accessible(page, "paused");
    stack.proxy.shape();
    await upload.getByRole("button", { name: "Resume" }).click();
    await upload.and(page.locator('[data-state="available"]')).waitFor();
    await uploads.getByText(`${LARGE} of ${LARGE} bytes`).waitFor();

    const shown = listed.getByRole("listitem").filter({ hasText: file.name });
    await shown.waitFor();
    assert.equal(await shown.count(), 1);
    const fileId = await shown.getAttribute("data-file-id");
    const [saved] = await Promise.all([
      page.waitForEvent("download"),
      shown.getByRole("button", { name: "Download" }).click(),
    ]);
    assert.equal(saved.suggestedFilename(), file.name);
    assert.equal(await sha256(await saved.path()), file.sha256);
    await upload.getByRole("button", { name: "Clear" }).click();
    assert.equal(await upload.count(), 0);

    // Hidden, the list follows no more; shown again, it misses nothing.
    const toggle = page.getByRole("checkbox", { name: "Show the workspace" });
    await toggle.uncheck();
    await until(() => openSockets() === 0, "the connection is closed");
    await toggle.check();
    await shown.waitFor();
    await listed.getByText("Live").waitFor();
    await shown.getByRole("button", { name: "Delete" }).click();
    await shown.waitFor({ state: "detached" });
    assert.equal((await workspace.file(fileId)).status, "deleted");
  });
}

async function openElement(t, options) {
  await serveApp(join(EXAMPLES, "element"));
  return openWatched(t, stack.browser, published.address, options);
}

/** Has Vite find that version of React. */
function reactOf(version) {
  const from = createRequire(
    new URL(version === "19" ? "../" : `../fixtures/react${version}/`, import.meta.url),
  );
  const folder = (name) => dirname(from.resolve(`${name}/package.json`));
  const alias = ["react-dom", "react"].map((name) => ({
    find: new RegExp(`^${name}(?=/|$)`),
    replacement: folder(name),
  }));
  return { resolve: { alias } };
}

/** Builds an app, once, and serves it, under a policy that allows what the package says that it needs. */
async function serveApp(app, kind = "", config = {}) {
  const outDir = join(published.folder, `${basename(app)}${kind}-built`);
  if (!existsSync(outDir)) {
    process.env.VITE_ENDPOINT = stack.coordinator.url;
    await build({
      root: await published.project(app),
      base: BELOW,
      logLevel: "warn",
      configFile: false,
      build: { outDir, emptyOutDir: true },
      ...config,
    });
  }
  const coordinator = stack.coordinator.url;
  published.serve(outDir, [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "worker-src 'self'",
    `connect-src ${coordinator} ${coordinator.replace("http", "ws")} ${stack.proxy.endpoint} 'self'`,
    "form-action 'self'",
  ]);
}

async function guestToken() {
  const body = new URLSearchParams({ grant_type: "urn:syncsphere:guest", workspace: "examples" });
  const reply = await fetch(`${stack.coordinator.url}/v1/auth/token`, { method: "POST", body });
  return (await reply.json()).access_token;
}

/** SHA-256 of what storage holds of a file. */
async function stored(fileId) {
  const { url } = await workspace.content(fileId);
  const hash = createHash("sha256");
  for await (const piece of (await fetch(url)).body) hash.update(piece);
  return hash.digest("hex");
}

function row(page, name) {
  return page.locator("syncsphere-upload li").filter({ hasText: name });
}

/** How far the bar of a row is, from 0 to 1. */
async function bar(page, name) {
  return page.getByRole("progressbar", { name }).evaluate((one) => one.value);
}

async function pick(page, label, ...paths) {
  const [chooser] = await Promise.all([
    page.waitForEvent("filechooser"),
    page.getByRole("button", { name: label }).click(),
  ]);
  await chooser.setFiles(paths);
}

async function drop(element, files) {
  await element.evaluate((one, files) => {
    const dataTransfer = new DataTransfer();
    for (const [name, type] of files) dataTransfer.items.add(new File([name], name, { type }));
    const init = { bubbles: true, cancelable: true, composed: true, dataTransfer };
    one.dispatchEvent(new DragEvent("dragover", init));
    one.dispatchEvent(new DragEvent("drop", init));
  }, files);
}

/** Which flags of the element's validity are set, and what the browser would say. */
async function validity(page) {
  return page.locator("syncsphere-upload").evaluate(({ validity, validationMessage: message }) => {
    const flags = Object.entries(Object.getOwnPropertyDescriptors(ValidityState.prototype))
      .filter(([name, { get }]) => get && validity[name])
      .map(([name]) => [name, true]);
    return { ...Object.fromEntries(flags), message };
  });
}

/** What the form would send under a name. */
async function formData(page, name) {
  return page.locator("form").evaluate((form, name) => new FormData(form).getAll(name), name);
}

/** What axe finds against WCAG 2.2 AA and good practice; and a picture, for people to look at. */
async function accessible(page, what) {
  await page.screenshot({ path: join(ARTIFACTS, `surface-${what.replaceAll(/\W+/g, "-")}.png`) });
  await page.evaluate(axe);
  const found = await page.evaluate(async () => (await globalThis.axe.run(document)).violations);
  const lines = found.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`),
  );
  assert.deepEqual(lines, [], what);
}

/** Presses Tab until the focus is on what is called so. */
async function tabTo(page, name) {
  for (let steps = 0; steps < 40; steps++) {
    await page.keyboard.press("Tab");
    if ((await inFocus(page)) === name) return;
  }
  assert.fail(`Tab never reaches ${name}`);
}

async function focused(page, name) {
  await until(async () => (await inFocus(page)) === name, `the focus is on ${name}`);
}

/** What the element with the focus is called, inside shadow trees too. */
async function inFocus(page) {
  return page.evaluate(() => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    return element?.ariaLabel ?? element?.labels?.[0]?.textContent ?? element?.textContent;
  });
}
