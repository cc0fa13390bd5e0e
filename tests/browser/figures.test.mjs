// What the page makes of numbers and names.

import { beforeEach, test } from "node:test";
import assert from "node:assert/strict";

import { bytes, bytesOf, percent, shownName, speed, timeLeft } from "../../demo-site/src/format.ts";
import { plural, LANGUAGES, setLanguage, messages } from "../../demo-site/src/language/messages.ts";

beforeEach(() => setLanguage("en"));

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
  assert.equal(speed(300), "0.30 kB/s");
  assert.equal(timeLeft(0.2), "1 sec left");
  assert.equal(timeLeft(89), "89 sec left");
  assert.equal(timeLeft(91), "2 min left");
  assert.equal(timeLeft(2 * 3600 + 60), "2 hr 1 min left");
  assert.equal(timeLeft(3 * 86_400), "3 days left");
});

test("characters that reorder or hide a name become visible, other scripts stay", () => {
  assert.equal(shownName("photo\u202egpj.exe\n"), "photo\ufffdgpj.exe\ufffd");
  assert.equal(shownName("مرحبا 👩‍👩‍👧.txt"), "مرحبا 👩‍👩‍👧.txt");
});

test("figures and plurals are those of the language", () => {
  setLanguage("de");
  assert.equal(bytesOf(12_345_678, 30_000_000), "12,3 von 30,0 MB");
  assert.equal(percent(1, 2), "50\u00a0%");
  assert.equal(timeLeft(2 * 3600 + 60), "noch 2 Std., 1 Min.");
  assert.equal(plural(messages().filesFound, 1), "1 Datei gefunden.");
  assert.equal(plural(messages().filesFound, 1234), "1.234 Dateien gefunden.");
  setLanguage("ar");
  assert.equal(plural(messages().fileCount, 2), "ملفان");
  assert.equal(plural(messages().fileCount, 3), "3 ملفات");
  assert.equal(plural(messages().fileCount, 11), "11 ملفًا");
  assert.equal(plural(messages().fileCount, 100), "100 ملف");
});

test("every language says all that English says, with the same places to fill", () => {
  for (const [tag, translation] of Object.entries(LANGUAGES)) {
    compare(LANGUAGES.en, translation, tag);
  }
});

/** Plural forms may leave the count out, as "one file" does, but the last resort may not. */
function compare(english, translated, place) {
  if (typeof english === "string") {
    assert.ok(translated.trim(), place);
    assert.deepEqual(places(translated), places(english), place);
  } else if ("other" in english) {
    assert.deepEqual(places(translated.other), places(english.other), place);
    for (const form of Object.values(translated)) {
      for (const one of places(form)) assert.ok(places(english.other).includes(one), place);
    }
  } else {
    assert.deepEqual(Object.keys(translated), Object.keys(english), place);
    for (const key of Object.keys(english)) compare(english[key], translated[key], `${place}.${key}`);
  }
}

function places(text) {
  return (text.match(/\{\w+\}/g) ?? []).toSorted();
}
