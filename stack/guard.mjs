import { spawn } from "node:child_process";
import { once } from "node:events";

/**
 * Starts a program that cannot outlive this process, however this process ends (SIGKILL too).
 *
 * The program's process id is the returned child's `pid`, signals and the exit code go straight to it.
 * Its standard input is closed; standard output and error are pipes unless `options.stdio` says otherwise.
 *
 * How: the shell forks a watcher that blocks on our end of a pipe and then becomes the program itself. The
 * kernel closes the pipe when we die, the watcher wakes and kills the program.
 *
 * @param {string} program absolute path, or a name to be found on PATH
 * @param {string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, output?: "pipe" | "ignore" | "inherit"}} [options]
 */
export function spawnGuarded(program, args, { cwd, env, output = "pipe" } = {}) {
  const child = spawn("/bin/sh", ["-c", GUARD_SCRIPT, "guard", program, ...args], {
    cwd,
    env,
    stdio: ["pipe", output, output],
  });
  child.stdin.on("error", () => {}); // the watcher may be gone already
  child.once("exit", () => child.stdin.destroy());
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

// `$$` is the shell's own process id, which `exec` hands to the program.
const GUARD_SCRIPT = `
exec 3<&0 </dev/null
( read -r _ <&3; kill -KILL $$ ) >/dev/null 2>&1 &
exec 3<&-
exec "$@"
`;
