// How files come in: picked, dropped and pasted, by themselves and in folders.

import { beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { fileRow, folderOf, loads, reaches, sparseFile, uploadRow, until, useStack } from "./harness.mjs";

const MIB = 1024 * 1024;

const stack = useStack();
beforeEach(() => stack.proxy.behave());

const PHOTOS = {
  "cover.jpg": 1000,
  "day 1/a.jpg": 2000,
  "day 1/raw/a.dng": 30_000,
  "day 2/ünïcödé 写真.jpg": 0,
};

test("a dropped folder is uploaded with all that is in it, paths and all", async (t) => {
  const page = await stack.openPage(t);
  await drop(page, await folderOf(stack, "Holiday", PHOTOS));
  await showsFolder(page, "Holiday");
});

test("where the browser has no handles, a dropped folder is read all the same", async (t) => {
  const page = await stack.openPage(t);
  await page.evaluate(() => delete DataTransferItem.prototype.getAsFileSystemHandle);
  await drop(page, await folderOf(stack, "Old browser", PHOTOS));
  await showsFolder(page, "Old browser");
});

test("a folder can be chosen as well", async (t) => {
  const page = await stack.openPage(t);
  const folder = await folderOf(stack, "Chosen", PHOTOS);
  await page.getByTestId("folder-input").setInputFiles(folder);
  await showsFolder(page, "Chosen");
});

test("a folder of hundreds comes whole, in the order of its names", async (t) => {
  const page = await stack.openPage(t, { watched: false });
  // More than the browser hands out at a time.
  const paths = Object.fromEntries(Array.from({ length: 230 }, (_, n) => [`page ${n}.txt`, 10]));
  await page.evaluate(() => delete DataTransferItem.prototype.getAsFileSystemHandle);
  await drop(page, await folderOf(stack, "Book", paths));
  await until(async () => (await page.getByTestId("upload").count()) === 230, "all are there");
  const names = await page
    .getByTestId("upload")
    .evaluateAll((rows) => rows.map(({ dataset }) => dataset.name));
  assert.deepEqual(names, Object.keys(paths));
  await page.getByText("230 of 230 uploaded").first().waitFor();
});

test("an empty folder is told, and what is left out of one", async (t) => {
  const page = await stack.openPage(t);
  // Deeper than the coordinator takes a path: there is no end to a folder that is linked in a circle.
  const deep = Array.from({ length: 6 }, () => "d".repeat(200)).join("/");
  await drop(page, await folderOf(stack, "Deep", { "top.txt": 10, [`${deep}/bottom.txt`]: 10 }));
  await page.getByText("1 item in \u2068Deep\u2069 could not be read and was left out.").first().waitFor();
  await reaches(page, "top.txt", "available");

  await drop(page, await folderOf(stack, "Hollow", {}));
  await page.locator("#drop-notice").getByText("Hollow\u2069 holds no files.").waitFor();
  await page.locator("#announcer").getByText("Hollow\u2069 holds no files.").waitFor();
  assert.equal(await page.getByTestId("batch").count(), 1, "and is no batch");
  await drop(page, await folderOf(stack, "Full", PHOTOS));
  await reaches(page, "cover.jpg", "available");
  assert.equal(await page.locator("#drop-notice").isVisible(), false, "which is over with the next folder");
});

test("an upload of a dropped file goes on in a later page without asking for the file", async (t) => {
  const page = await stack.openPage(t);
  const file = await sparseFile(stack, "dropped.bin", 64 * MIB);
  stack.proxy.shape({ total: 8 * MIB, most: 40 * MIB });
  await drop(page, file.path);
  await loads(page, file.name, 20 * MIB);
  const later = await page.context().newPage();
  await page.close();
  await later.goto(`${stack.url}/?workspace=${page.workspace}`);
  await later.getByTestId("interrupted").waitFor();
  assert.equal(await later.getByText("Choose the same file again").count(), 0);
});

test("pasted files are taken, pasted text is not", async (t) => {
  const page = await stack.openPage(t);
  await paste(page, { text: "just words" });
  await paste(page, { file: "pasted.png" });
  await reaches(page, "pasted.png", "available");
  assert.equal(await page.getByTestId("upload").count(), 1);
});

/** All of `PHOTOS` arrive, each with its path, and stand in a batch with the folder's name. */
async function showsFolder(page, folder) {
  for (const path of Object.keys(PHOTOS)) {
    const name = path.split("/").at(-1);
    const place = [folder, ...path.split("/").slice(0, -1)].join("/");
    await reaches(page, name, "available");
    const row = fileRow(page, name).and(page.locator('[data-status="available"]'));
    assert.equal(await row.locator("[data-part=folder]").textContent(), place);
    const below = place.split("/").slice(1).join("/");
    assert.equal(await uploadRow(page, name).locator("[data-part=folder]").textContent(), below);
  }
  const batch = page.getByTestId("batch");
  assert.equal(await batch.locator("[data-part=title]").textContent(), folder);
  await batch.getByText("4 of 4 uploaded").waitFor();
}

/** Drags a file or folder of this machine over the page and lets it go. */
async function drop(page, path) {
  const browser = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await browser.send("Input.dispatchDragEvent", { type, x: 200, y: 300, data });
  }
}

async function paste(page, { text, file }) {
  await page.evaluate(
    ({ text, file }) => {
      const clipboardData = new DataTransfer();
      if (text) clipboardData.setData("text/plain", text);
      if (file) clipboardData.items.add(new File(["pasted"], file));
      document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
    },
    { text, file },
  );
}
