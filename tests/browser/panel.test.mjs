// What the page shows of the engine's work: the speed, its own figures, and where each part of a file is.

import { beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { loads, pick, reaches, sparseFile, uploadRow, until, useStack } from "./harness.mjs";

const MIB = 1024 * 1024;
// Source: protocol/src/parts.rs, `default_part_size`.
const PART = 16 * MIB;

const stack = useStack();
beforeEach(() => stack.proxy.behave());

test("speed and the engine's figures move while an upload does", async (t) => {
  const page = await stack.openPage(t);
  const chart = page.getByRole("img", { name: /^Speed over the last minute/ });
  assert.match(await chart.getAttribute("aria-label"), /nothing is moving/);
  // Larger than the system's buffers, or no speed would be seen.
  const file = await sparseFile(stack, "steady.bin", 300 * MIB);
  stack.proxy.shape({ total: 24 * MIB });
  await pick(page, file);
  await until(async () => {
    return /now [\d.]+ MB\/s, at most [\d.]+ MB\/s/.test(await chart.getAttribute("aria-label"));
  }, "the chart tells the speed");
  const points = async () => (await page.locator("#speed-line").getAttribute("d")).split("L").length;
  await until(async () => (await points()) >= 4, "it has a curve");

  const figure = async (name) => Number(await page.locator(`#engine-${name}`).textContent());
  await until(
    async () => (await figure("window")) >= 1 && (await figure("inFlight")) >= 1,
    "requests are seen",
  );
  await until(
    async () => /MB\/s/.test(await page.locator("#engine-rate").textContent()),
    "the engine's speed",
  );
  assert.equal(await figure("retries"), 0);
  stack.proxy.shape();
  await reaches(page, file.name, "available");
  await until(async () => (await figure("inFlight")) === 0, "nothing is in flight any more");
});

test("a failed request is counted among the retries", async (t) => {
  const page = await stack.openPage(t);
  stack.proxy.interfere(({ method, attempt }) =>
    (method === "PUT" || method === "POST") && attempt === 1 ? { kind: "answer", status: 503 } : undefined,
  );
  const file = await stack.file("second try.bin", MIB);
  await pick(page, file);
  await reaches(page, file.name, "available");
  await page.locator("#engine-retries").getByText("1", { exact: true }).waitFor();
});

test("the map shows each part: waiting, in flight, hedged, stored, in colours and in words", async (t) => {
  const page = await stack.openPage(t);
  const file = await sparseFile(stack, "mapped.bin", 12 * PART);
  let release;
  const released = new Promise((resolve) => (release = resolve));
  // One part stays on its way, and so does what overtakes it.
  stack.proxy.interfere(({ method, partNumber }) =>
    method === "PUT" && partNumber === 2 ? { kind: "hold", until: released } : undefined,
  );
  stack.proxy.shape({ total: 48 * MIB });
  await pick(page, file);
  const row = uploadRow(page, file.name);
  await row.getByText(/\d of \d+ parts stored · \d in flight · \d+ waiting/).waitFor();
  // Words and colours of one moment: where a request is given up as stalled, its part is hedged no more.
  const seen = await row.locator("figure").evaluate(
    (figure) =>
      new Promise((resolve) => {
        const canvas = figure.querySelector("canvas");
        const caption = figure.querySelector("figcaption");
        const look = () => {
          if (!/ parts stored · 1 hedged$/.test(caption.textContent)) return requestAnimationFrame(look);
          const [stored, parts] = caption.textContent.match(/\d+/g).map(Number);
          const context = canvas.getContext("2d");
          const colourIn = (cell) => {
            const x = Math.round((canvas.width * (cell + 0.25)) / parts);
            return [...context.getImageData(x, canvas.height / 2, 1, 1).data].slice(0, 3).join(", ");
          };
          resolve({ stored, parts, first: colourIn(0), second: colourIn(1) });
        };
        look();
      }),
  );
  assert.equal(seen.stored, seen.parts - 1, "all but one are stored");
  await page
    .locator("#engine-hedges")
    .getByText(/^[1-9]\d*$/)
    .waitFor();
  const legend = (name) =>
    page.locator(`.legend .${name}`).evaluate((swatch) => /\d.*\d/.exec(getComputedStyle(swatch).color)[0]);
  assert.equal(seen.first, await legend("stored"));
  assert.equal(seen.second, await legend("hedged"));

  release();
  await reaches(page, file.name, "available");
  assert.equal(await row.locator("figure").isVisible(), false, "there is nothing more to be seen");
});

test("ten thousand parts fit, and a change of one is not a new picture", async (t) => {
  const page = await stack.openPage(t);
  await page.evaluate(() => {
    globalThis.painted = 0;
    const { fillRect } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.fillRect = function (...box) {
      globalThis.painted += 1;
      return fillRect.apply(this, box);
    };
  });
  const file = await sparseFile(stack, "vast.bin", 10_000 * 64 * MIB);
  let release;
  const released = new Promise((resolve) => (release = resolve));
  stack.proxy.interfere(() => ({ kind: "hold", until: released }));
  await pick(page, file);
  const row = uploadRow(page, file.name);
  await row.getByText(/^0 of (9,9\d\d|10,000) parts stored · \d+ in flight/).waitFor();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
  const first = await page.evaluate(() => globalThis.painted);
  release();
  await row.getByText(/^[1-9] of /).waitFor();
  const then = (await page.evaluate(() => globalThis.painted)) - first;
  t.diagnostic(`${first} cells painted at first, ${then} until a part was stored`);
  assert.ok(first >= 5_000 && first <= 30_000, `${first} cells at first`);
  assert.ok(then > 0 && then < 100, `${then} cells for a few changes`);
  const { height } = await row.locator("canvas").boundingBox();
  assert.ok(height <= 80, `${height} pixels high`);
  await row.getByTestId("abort").click();
  await reaches(page, file.name, "aborted");
});
