import { endProcess, spawnGuarded } from "../guard.mjs";
import { needProgram } from "./programs.mjs";

/** The server: its variable, its usual places, its name. */
export const DISPLAY_SERVER = ["XVFB", ["/usr/bin/Xvfb"], "Xvfb"];

/**
 * An X display that nobody sees, under a number that nobody else has.
 *
 * @returns {Promise<{name: string, stop: () => Promise<void>}>}
 */
export async function startDisplay() {
  // It picks a free number itself and tells it on its standard output.
  const child = spawnGuarded(needProgram(...DISPLAY_SERVER), [
    "-displayfd",
    "1",
    "-screen",
    "0",
    "1400x1000x24",
    "-nolisten",
    "tcp",
  ]);
  const number = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`Xvfb ended with ${code}`)));
    child.stderr.resume();
    child.stdout.on("data", (text) => resolve(String(text).trim()));
  });
  return { name: `:${number}`, stop: () => endProcess(child) };
}
