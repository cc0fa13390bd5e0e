import { readFile, readdir } from "node:fs/promises";

/** A process and all that descend from it, the oldest first. Linux only; elsewhere just the process itself. */
export async function processTree(root) {
  const children = new Map();
  for (const entry of await readdir("/proc").catch(() => [])) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, "utf8").catch(() => "");
    // The name before it is in parentheses, and may hold spaces.
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found = [];
  for (let wave = [root]; wave.length > 0; wave = wave.flatMap((pid) => children.get(pid) ?? [])) {
    found.push(...wave);
  }
  return found;
}

/** Ends a process and all that descend from it by SIGKILL, and waits until they are gone. */
export async function killTree(root) {
  const pids = await processTree(root);
  for (const pid of pids) signal(pid, "SIGKILL");
  while ((await Promise.all(pids.map(isRunning))).includes(true)) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/**
 * Stops a process and all that descend from it, as a telephone does with an app in the background, and waits until they stand
 * still; gives what lets them go on.
 */
export async function suspendTree(root) {
  const stopped = new Set();
  const moving = async () => {
    const pids = await processTree(root);
    const states = await Promise.all(pids.map(stateOf));
    return pids.filter((_, at) => !"TZX".includes(states[at]));
  };
  // One that was not stopped yet may have started another meanwhile.
  for (let pids = await moving(); pids.length > 0; pids = await moving()) {
    for (const pid of pids) {
      signal(pid, "SIGSTOP");
      stopped.add(pid);
    }
  }
  return () => {
    for (const pid of [...stopped].reverse()) signal(pid, "SIGCONT");
  };
}

/** Proportional set size of a process and all that descend from it, in bytes: what they take together. */
export async function memoryOf(root) {
  let sum = 0;
  for (const pid of await processTree(root)) {
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
    sum += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
  }
  return sum;
}

function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}

/** One that has ended and was not asked for its exit code does nothing any more. */
async function isRunning(pid) {
  return !"ZX".includes(await stateOf(pid));
}

/** One letter, as proc_pid_stat(5) has them; X for one that is gone. */
async function stateOf(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat === "" ? "X" : stat[stat.lastIndexOf(")") + 2];
}
