import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const GUARD = fileURLToPath(new URL("guard.sh", import.meta.url));

/**
 * Starts a program that cannot outlive this process, however this process ends (SIGKILL too; see guard.sh).
 *
 * The program's process id is the returned child's `pid`; signals and the exit code go straight to it. Its standard
 * input is empty; standard output and error are pipes unless `output` says otherwise.
 *
 * @param {string} program a path, or a name to be found on PATH
 * @param {string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, output?: "pipe" | "ignore" | "inherit"}} [options]
 */
export function spawnGuarded(program, args, { cwd, env, output = "pipe" } = {}) {
  const child = spawn(GUARD, [program, ...args], { cwd, env, stdio: ["ignore", output, output, "pipe"] });
  const lifeline = child.stdio[3];
  lifeline.on("error", () => {}); // closed by a program that ended
  child.once("exit", () => lifeline.destroy());
  return child;
}

/**
 * Ends a child: asks with SIGTERM, insists with SIGKILL after `graceMs`. Resolves when it is gone.
 *
 * @param {import("node:child_process").ChildProcess} child
 */
export async function endProcess(child, graceMs = 5000) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(graceMs > 0 ? "SIGTERM" : "SIGKILL");
  const insist = setTimeout(() => child.kill("SIGKILL"), graceMs);
  await exited;
  clearTimeout(insist);
}
