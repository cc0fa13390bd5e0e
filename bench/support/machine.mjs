// What else the machine is doing while we measure, and how much memory the browser takes.

import { readFile, readdir, readlink } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

/** Waits, for a minute at most, until other programs leave the processors alone. */
export async function settle() {
  for (let second = 0; second < 60; second++) {
    const others = await watchOthers();
    await delay(1000);
    if ((await others()) < QUIET) return;
  }
}

// Processors that other programs may keep busy. Source: own choice, what an idle machine's housekeeping stays below
const QUIET = 0.2;

/** Starts watching; the function that it gives ends that, and tells how many processors others kept busy meanwhile. */
export async function watchOthers() {
  const start = performance.now();
  const [busy, own] = [await busyTicks(), await ownTicks()];
  return async () => {
    const ticks = (await busyTicks()) - busy - ((await ownTicks()) - own);
    return Math.max(0, ticks / TICKS_A_SECOND / ((performance.now() - start) / 1000));
  };
}

// Source: proc(5), USER_HZ, which is 100 on every Linux that Chromium runs on
const TICKS_A_SECOND = 100;

/** Proportional set size of all processes of our browsers, in bytes. */
export async function browserMemory() {
  let sum = 0;
  for (const { pid } of await family()) {
    const program = await readlink(`/proc/${pid}/exe`).catch(() => "");
    if (!program.includes("chrom")) continue;
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
    sum += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
  }
  return sum;
}

async function busyTicks() {
  const [line] = (await readFile("/proc/stat", "utf8")).split("\n");
  const [user, nice, system, , , irq, softirq] = line.trim().split(/\s+/).slice(1).map(Number);
  return user + nice + system + irq + softirq;
}

/** Of this process, all below it, and those of them that ended. */
async function ownTicks() {
  return (await family()).reduce((sum, { ticks }) => sum + ticks, 0);
}

async function family() {
  const children = new Map();
  const all = new Map();
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, "utf8").catch(() => "");
    if (!stat) continue;
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const pid = Number(entry);
    const parent = Number(fields[1]);
    // Source: proc_pid_stat(5): utime, stime, cutime, cstime
    all.set(pid, { pid, ticks: fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) });
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found = [];
  for (let wave = [process.pid]; wave.length > 0; wave = wave.flatMap((pid) => children.get(pid) ?? [])) {
    found.push(...wave.map((pid) => all.get(pid)).filter(Boolean));
  }
  return found;
}

/** Seconds of processor time that our processes of this program have taken so far. */
export async function processorSeconds(program) {
  let ticks = 0;
  for (const { pid, ticks: own } of await family()) {
    const path = await readlink(`/proc/${pid}/exe`).catch(() => "");
    if (path.split("/").at(-1).startsWith(program)) ticks += own;
  }
  return ticks / TICKS_A_SECOND;
}
