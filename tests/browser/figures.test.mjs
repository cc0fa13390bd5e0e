// What the page makes of numbers and names.

import { test } from "node:test";
import assert from "node:assert/strict";

globalThis.document = { documentElement: { lang: "en" } };
const { bytes, bytesOf, percent, shownName, speed, timeLeft } =
  await import("../../demo-site/src/figures.ts");

test("sizes have three digits that count, and roll over to the next unit in time", () => {
  const cases = [
    [0, "0 bytes"],
    [1, "1 byte"],
    [999, "999 bytes"],
    [1000, "1.00 kB"],
    [12_345, "12.3 kB"],
    [999_499, "999 kB"],
    [999_500, "1.00 MB"],
    [314_572_800, "315 MB"],
    [10 * 1024 ** 3, "10.7 GB"],
    [52_776_558_133_248, "52.8 TB"],
  ];
  for (const [count, text] of cases) assert.equal(bytes(count), text);
});

test("a part is told in the unit of the whole", () => {
  assert.equal(bytesOf(0, 0), "0 of 0 bytes");
  assert.equal(bytesOf(12_345_678, 300_000_000), "12 of 300 MB");
  assert.equal(bytesOf(500_000_000, 1_500_000_000), "0.50 of 1.50 GB");
});

test("100 percent are claimed only when all is there", () => {
  assert.equal(percent(0, 0), "0%");
  assert.equal(percent(299_999_999, 300_000_000), "99%");
  assert.equal(percent(300_000_000, 300_000_000), "100%");
});

test("speed and time left are as coarse as they are uncertain", () => {
  assert.equal(speed(0), "");
  assert.equal(speed(48_234_567), "48.2 MB/s");
  assert.equal(timeLeft(0.2), "1 s left");
  assert.equal(timeLeft(89), "89 s left");
  assert.equal(timeLeft(91), "2 min left");
  assert.equal(timeLeft(2 * 3600 + 60), "2 h 1 min left");
  assert.equal(timeLeft(3 * 86_400), "3 days left");
});

test("characters that reorder or hide a name become visible, other scripts stay", () => {
  assert.equal(shownName("photo\u202egpj.exe\n"), "photo\ufffdgpj.exe\ufffd");
  assert.equal(shownName("مرحبا 👩‍👩‍👧.txt"), "مرحبا 👩‍👩‍👧.txt");
});
