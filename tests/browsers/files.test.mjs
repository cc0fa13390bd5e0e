// Files of every size, name and origin arrive as they are, in every engine.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { memoryOf } from "../../stack/browsers/processes.mjs";
import {
  arrives,
  ends,
  inEachEngine,
  openDemo,
  stored,
  until,
  upload,
  useSite,
  ARTIFACTS,
} from "./harness.mjs";

const MIB = 1024 * 1024;

// Far below the largest file, above what requests, lanes and a busy garbage collector keep. Source: own measurements.
const MOST_GROWTH = 200 * MIB;

// In ms; a look at the memory costs the browser some of its time.
const BETWEEN_LOOKS = 500;

const mib = (bytes) => Math.round(bytes / MIB);

const stack = useSite({ direct: true });

/** The same ones in every engine, made when the first needs them. */
const files = new Map();
const file = (name, size) => {
  if (!files.has(name)) files.set(name, stack.file(name, size));
  return files.get(name);
};

const SIZES = {
  "no byte.bin": 0,
  "one byte.bin": 1,
  "a byte more than a part.bin": 5 * MIB + 1,
  "a hundred megabytes.bin": 100_000_000,
  "a gibibyte.bin": 1024 * MIB,
};

const NAMES = [
  "Größe & Maß 100%.txt",
  "数据 集.csv",
  "بيانات التجربة.dat",
  "नमूना.txt",
  "emoji 🧪🚀.bin",
  'quote\'s "double" #?+=;.txt',
  `${"long ".repeat(40)}.txt`,
];

/** What no person picked, in sizes that go as one request and as several; Firefox keeps blobs up to 16 MiB another way. */
const MADE = {
  "a File of bytes": [3 * MIB, 20 * MIB],
  "a File of many Blobs": [20 * MIB],
  "a canvas's Blob": [18 * MIB],
  "a Response's Blob": [20 * MIB],
  "a fetched Blob": [20 * MIB],
  "a file of the page's own file system": [20 * MIB],
};

inEachEngine(stack, (engine, test) => {
  test("the demo page shows its uploads, without errors", {}, async (t) => {
    const page = await openDemo(stack, t, await engine.browser());
    const three = await Promise.all([
      file("report.pdf", 700_000),
      file("a byte more than a part.bin", SIZES["a byte more than a part.bin"]),
      file(NAMES[1], 12 * MIB),
    ]);
    await page.setFiles(
      "#file-input",
      three.map(({ path }) => path),
    );
    const states = () =>
      page.evaluate(() =>
        Array.from(document.querySelectorAll('[data-testid="upload"]'), (row) => row.dataset.state),
      );
    await until(
      async () => (await states()).filter((state) => state === "available").length === three.length,
      "all have arrived",
    );
    assert.equal((await states()).length, three.length);
    await until(
      () =>
        page.evaluate(
          () => document.querySelectorAll('[data-testid="file"][data-status="available"]').length === 3,
        ),
      "the feed has told of all",
    );
    await mkdir(ARTIFACTS, { recursive: true });
    await page.screenshot(`${ARTIFACTS}${engine.name}.png`);
    assert.deepEqual(await page.evaluate(() => globalThis.problems), []);
    const refused = page.console?.filter(({ level }) => level === "error");
    assert.deepEqual(refused ?? [], []);
  });

  for (const [name, size] of Object.entries(SIZES)) {
    const cannot = { chromium: size > 500 * MIB && "tests/browser/memory.test.mjs sends it there" };
    test(`${name} arrives, and the browser's memory does not grow with it`, { cannot }, async (t) => {
      // Parts as the engine plans them; elsewhere they are as small as they may be, so that there are several.
      const page = await engine.openPage(t, { options: { partSize: undefined } });
      const one = await file(name, size);
      const { pid } = await engine.browser();
      const idle = await memoryOf(pid);
      const started = performance.now();
      await upload(page, one);
      let [most, looked] = [idle, 0];
      const seen = await ends(page, name, async () => {
        if (performance.now() - looked < BETWEEN_LOOKS) return;
        most = Math.max(most, await memoryOf(pid));
        looked = performance.now();
      });
      const seconds = (performance.now() - started) / 1000;
      const readAgain = Math.max(0, seen.completingAt - seen.sentAt);
      t.diagnostic(
        `${(size / 1e6 / seconds).toFixed(1)} MB/s, ${mib(most - idle)} MiB above idle, ${readAgain} ms from the last byte to the end`,
      );
      assert.equal(seen.state, "available", JSON.stringify(seen));
      assert.deepEqual(await stored(stack, page, seen.fileId), { size, sha256: one.sha256 });
      assert.ok(most - idle < MOST_GROWTH, `grew by ${mib(most - idle)} MiB`);
    });
  }

  test("names in any script arrive, all at once", {}, async (t) => {
    const page = await engine.openPage(t);
    const named = await Promise.all(NAMES.map((name, i) => file(name, i === 1 ? 12 * MIB : 10_000 + i)));
    await upload(page, ...named);
    for (const one of named) await arrives(stack, page, one.name, one);
  });

  for (const [kind, sizes] of Object.entries(MADE)) {
    const webkit = kind.includes("own file system") && "WebKitGTK 2.50 has no such file system";
    for (const size of sizes) {
      // Once by both kinds of bodies is enough; the others go as they do in this engine.
      for (const bodies of kind === "a File of bytes" ? ["file", "memory"] : [undefined]) {
        test(
          `${kind}, ${size / MIB} MiB, arrives${bodies ? ` with bodies from ${bodies}` : ""}`,
          { cannot: { webkit } },
          async (t) => {
            const page = await engine.openPage(t, { options: { bodies } });
            const made = await page.evaluate((kind, size) => app.uploadMade(kind, size), kind, size);
            assert.ok(made.size > 0.9 * size, `${made.size} bytes`);
            await arrives(stack, page, kind, made);
          },
        );
      }
    }
  }
});
