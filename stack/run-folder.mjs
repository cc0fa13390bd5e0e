import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";

/**
 * A temporary folder for this run. `remove()` deletes it; one whose process was killed before it could is deleted by
 * the next run.
 *
 * @returns {Promise<{path: string, remove: () => Promise<void>}>}
 */
export async function makeRunFolder() {
  await removeAbandoned();
  const path = await mkdtemp(join(tmpdir(), PREFIX));
  await writeFile(join(path, OWNER), JSON.stringify({ host: hostname(), pid: process.pid }));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

const PREFIX = "syncsphere-run-";
const OWNER = "owner.json";

async function removeAbandoned() {
  for (const name of await readdir(tmpdir())) {
    const path = join(tmpdir(), name);
    if (name.startsWith(PREFIX) && (await isAbandoned(path)))
      await rm(path, { recursive: true, force: true });
  }
}

async function isAbandoned(path) {
  let owner;
  try {
    owner = JSON.parse(await readFile(join(path, OWNER), "utf8"));
  } catch {
    return false; // being made or removed right now
  }
  // Process ids of another machine or container that shares the folder say nothing here.
  return owner.host === hostname() && !isRunning(owner.pid);
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
