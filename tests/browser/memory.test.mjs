// Memory must not grow with the file: bytes stream from disk to storage without passing the page.

import { readFile, readdir, readlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import assert from "node:assert/strict";
import { loads, pick, reaches, useStack } from "./harness.mjs";

const MIB = 1024 * 1024;
const SIZE = 1024 * MIB;

// Far below the file, above what six requests and four lanes keep in buffers. Source: own measurements.
const MOST_GROWTH = 300 * MIB;

const stack = useStack({ direct: true });

test("the browser needs no more memory for a gibibyte than for a fraction of it", async (t) => {
  const page = await stack.openPage(t);
  const path = join(stack.folder, "sparse.bin");
  await writeFile(path, "");
  await truncate(path, SIZE);
  const idle = await browserMemory();

  await pick(page, { path });
  let early = 0;
  let late = 0;
  for (let step = 1; step <= 24; step++) {
    await loads(page, "sparse.bin", (SIZE / 24) * step);
    const used = await browserMemory();
    if (step <= 8) early = Math.max(early, used);
    else late = Math.max(late, used);
  }
  await reaches(page, "sparse.bin", "available");
  t.diagnostic(`idle ${mib(idle)}, first third ${mib(early)}, rest ${mib(late)} MiB`);
  assert.ok(Math.max(early, late) - idle < MOST_GROWTH, `grew from ${mib(idle)} to ${mib(late)} MiB`);
  assert.ok(late - early < MOST_GROWTH / 3, `still growing: ${mib(early)} then ${mib(late)} MiB`);
});

/**
 * What all processes of our browser have written and share with their like, in bytes: not the program's own pages, which
 * another test's browser may share for a while.
 */
async function browserMemory() {
  let sum = 0;
  for (const pid of await descendants(process.pid)) {
    const program = await readlink(`/proc/${pid}/exe`).catch(() => "");
    if (!program.includes("chrom")) continue;
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
    for (const [, size] of rollup.matchAll(/^Pss_(?:Anon|Shmem):\s+(\d+) kB/gm)) sum += Number(size) * 1024;
  }
  return sum;
}

async function descendants(root) {
  const children = new Map();
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(pid)]);
  }
  const found = [];
  for (let wave = [root]; wave.length > 0; wave = wave.flatMap((pid) => children.get(pid) ?? []))
    found.push(...wave);
  return found;
}

function mib(bytes) {
  return Math.round(bytes / MIB);
}
