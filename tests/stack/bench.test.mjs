// The bench measures for an hour on a quiet machine; here its parts must only work: peers, pages, lines, report.

import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test } from "node:test";
import assert from "node:assert/strict";

const RESULTS = fileURLToPath(new URL("../../target/bench/quick/", import.meta.url));

test("a quick bench runs our uploader and its peers to the end, and reports them with goals", async () => {
  await rm(RESULTS, { recursive: true, force: true });
  await promisify(execFile)(
    process.env.SYNCSPHERE_XTASK,
    ["bench", "--quick", "checksum", "first-part-byte", "load"],
    { maxBuffer: 2 ** 24 },
  );

  const results = JSON.parse(await readFile(`${RESULTS}results.json`, "utf8"));
  const open = results.load.goals.find(({ goal }) => goal.startsWith("no error with"));
  assert.equal(open?.measured, "0 errors");
  const uploaders = [
    "ours",
    "oursAgain",
    "oursRested",
    "oursUnchecked",
    "floor",
    "uppy5",
    "uppy6",
    "better-upload",
  ];
  assert.deepEqual(Object.keys(results["first-part-byte"].samples).toSorted(), uploaders.toSorted());
  for (const [name, section] of Object.entries(results)) {
    const raw = JSON.parse(await readFile(`${RESULTS}raw/${name}.json`, "utf8"));
    assert.deepEqual(Object.keys(section.samples), Object.keys(raw).toSorted(), name);
    for (const [contestant, rounds] of Object.entries(raw)) {
      assert.equal(section.samples[contestant].seconds.n, rounds.length, `${name}: ${contestant}`);
      for (const round of rounds) {
        assert.equal(round.error, undefined, `${name}: ${contestant}`);
        assert.ok(round.seconds > 0, `${name}: ${contestant}`);
      }
    }
    assert.ok(section.goals.length > 0, name);
  }

  const report = await readFile(`${RESULTS}RESULTS.md`, "utf8");
  for (const { heading, goals } of Object.values(results)) {
    assert.ok(report.includes(`## ${heading}\n`), heading);
    for (const { goal, measured } of goals) assert.ok(report.includes(`| ${goal} | ${measured} | `), goal);
  }
});
