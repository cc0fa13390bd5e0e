// From the moment the page is handed a file to the first byte of its first part on the wire, seen from outside.

import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { launchChromium } from "../stack/chromium.mjs";
import { startCoordinator } from "../stack/coordinator.mjs";
import { makeRunFolder } from "../stack/run-folder.mjs";
import { startSeaweed } from "../stack/seaweed.mjs";

const ROUNDS = process.argv.includes("--quick") ? 1 : 7;
const SIZE = 64 * 2 ** 20;

const folder = await makeRunFolder();
const s3 = await startSeaweed();
const wire = await listenIn(new URL(s3.endpoint).port);
const coordinator = await startCoordinator({
  s3: { ...s3, publicEndpoint: `http://127.0.0.1:${wire.port}` },
  durableDir: join(folder.path, "workspaces"),
});
const browser = await launchChromium();
try {
  const file = join(folder.path, "sixty-four mebibytes.bin");
  await writeFile(file, randomBytes(SIZE));

  const cold = [];
  const warm = [];
  const roundTrips = [];
  for (let round = 0; round < ROUNDS; round++) {
    const page = await browser.newPage();
    await page.goto(coordinator.url);
    await page.waitForFunction(() => Boolean(globalThis.uploader));
    cold.push(await firstByte(page, file));
    warm.push(await firstByte(page, file));
    roundTrips.push(await page.evaluate(roundTrip));
    await page.close();
  }
  const row = (name, times) => [
    name,
    median(times).toFixed(0),
    times.map((time) => time.toFixed(0)).join(", "),
  ];
  console.log(
    JSON.stringify({
      heading: "From handing over a file to the first part byte on the wire",
      note: `64 MiB on loopback, medians of ${ROUNDS}. First upload of a page (workers start, the module is compiled, a token is fetched), and a later one.`,
      columns: ["", "ms", "each run"],
      rows: [
        row("first upload of a page", cold),
        row("a later upload", warm),
        row("for comparison: one coordinator round trip (`GET /healthz`)", roundTrips),
      ],
    }),
  );
} finally {
  await browser.close();
  await coordinator.stop();
  wire.close();
  await s3.stop();
  await folder.remove();
}

async function firstByte(page, file) {
  const seen = wire.nextPut();
  await page.evaluate(() => {
    const input = document.querySelector('[data-testid="file-input"]');
    globalThis.handedOver = new Promise((resolve) => {
      const now = () => resolve(performance.timeOrigin + performance.now());
      input.addEventListener("change", now, { capture: true, once: true });
    });
  });
  await page.setInputFiles('[data-testid="file-input"]', file);
  const handedOver = await page.evaluate(() => globalThis.handedOver);
  const time = (await seen) - handedOver;
  await page.waitForFunction(() => {
    const uploads = [...document.querySelectorAll('[data-testid="upload"]')];
    return uploads.every((upload) => upload.dataset.state === "available");
  });
  return time;
}

/** Runs in the page. */
async function roundTrip() {
  await (await fetch("/healthz")).text();
  const started = performance.now();
  await (await fetch("/healthz")).text();
  return performance.now() - started;
}

/** Passes bytes on to a port, and tells when the first PUT goes by. */
async function listenIn(target) {
  let heard = () => {};
  const server = createServer((client) => {
    const storage = connect(target, "127.0.0.1");
    client.on("data", (bytes) => {
      if (bytes.subarray(0, 4).toString("latin1") === "PUT ")
        heard(performance.timeOrigin + performance.now());
    });
    client.pipe(storage).pipe(client);
    for (const socket of [client, storage]) socket.on("error", () => client.destroy() && storage.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: server.address().port,
    nextPut: () => new Promise((resolve) => (heard = resolve)),
    close: () => server.close(),
  };
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
