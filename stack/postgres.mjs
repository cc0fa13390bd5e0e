import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { setUpDatabase } from "./database.mjs";
import { endProcess, spawnGuarded } from "./guard.mjs";
import { freePorts } from "./ports.mjs";
import { makeRunFolder } from "./run-folder.mjs";

/**
 * Starts a real PostgreSQL server on a free port of 127.0.0.1, with a database that has the project's tables. It dies
 * with this process; its data is in a temporary folder that `stop()` removes.
 *
 * `kill()` ends the server as a crash would and `resume()` starts it again on the same port with the same data: that is
 * how tests play an outage of the database. While it is frozen, whoever dials it is left hanging.
 *
 * @param {{tables?: boolean}} [options] `tables: false` leaves the database empty
 */
export async function startPostgres({ tables = true } = {}) {
  const runFolder = await makeRunFolder();
  const data = join(runFolder.path, "data");
  const password = randomBytes(16).toString("hex");
  let server;
  try {
    await initialize(runFolder.path, data, password);
    server = await firstThatComesUp((port) => launch(data, port, password));
    if (tables) await setUpDatabase(server.url);
  } catch (error) {
    await server?.end();
    await runFolder.remove();
    throw error;
  }
  return {
    url: server.url,
    password,
    query: (text, values) => query(server.url, text, values),
    /** Another database of the server. */
    in(database) {
      const url = Object.assign(new URL(server.url), { pathname: database }).href;
      return { url, query: (text, values) => query(url, text, values) };
    },
    async kill() {
      await server.crash();
    },
    freeze() {
      server.child.kill("SIGSTOP");
    },
    thaw() {
      server.child.kill("SIGCONT");
    },
    async resume() {
      server = await launch(data, server.port, password);
    },
    async stop() {
      await server.end();
      await runFolder.remove();
    },
  };
}

/** The folder of PostgreSQL's programs: `SYNCSPHERE_POSTGRES`, else the newest of the system's. */
export function postgresPrograms() {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).sort((one, other) => other - one) : [];
  const usual = [
    ...versions.map((version) => join(debian, version, "bin")),
    ...(process.env.PATH ?? "").split(delimiter),
  ];
  const folders = [process.env.SYNCSPHERE_POSTGRES, ...usual];
  const found = folders.find((folder) => folder && existsSync(join(folder, "initdb")));
  if (!found) {
    throw new Error(
      "PostgreSQL is not installed: run `cargo xtask setup`, or set SYNCSPHERE_POSTGRES to the folder of its programs",
    );
  }
  return found;
}

const USER = "syncsphere";
const START_ATTEMPTS = 4;
const READY_TIMEOUT_MS = 60_000;

// The server refuses to run as root, so root runs it as this user, who may do nothing else.
const UNPRIVILEGED = { user: "nobody", group: "nogroup" };

/** The program and its arguments as somebody who is not root. The guard's hold is lost with root, hence once more. */
function unprivileged(program, args) {
  if (process.getuid() !== 0) return [program, args];
  const { user, group } = UNPRIVILEGED;
  const options = [`--reuid=${user}`, `--regid=${group}`, "--clear-groups", "--pdeathsig", "KILL", "--"];
  return ["setpriv", [...options, program, ...args]];
}

/** Waits for a program's end; what it said is told only where it failed. */
async function succeeded(child, what) {
  const tail = tailOf(child);
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`${what} failed:\n${tail()}`);
}

function start(program, args, cwd) {
  const [command, options] = unprivileged(program, args);
  return spawnGuarded(command, options, {
    cwd,
    // No setting of the user's own server is meant for this one.
    env: { PATH: process.env.PATH, HOME: cwd, TMPDIR: cwd, LC_ALL: "C" },
  });
}

function tailOf(child) {
  let tail = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => (tail = (tail + chunk).slice(-4000)));
  }
  return () => tail;
}

async function initialize(folder, data, password) {
  // Whoever runs the server has to get in, and to own its data.
  await chmod(folder, 0o711);
  await mkdir(data, { mode: 0o700 });
  const passwordFile = join(folder, "password");
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (process.getuid() === 0) {
    const owner = `${UNPRIVILEGED.user}:${UNPRIVILEGED.group}`;
    await succeeded(spawnGuarded("chown", [owner, data, passwordFile]), "chown");
  }
  const options = ["--pgdata", data, "--username", USER, "--pwfile", passwordFile];
  const program = join(postgresPrograms(), "initdb");
  const how = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"];
  await succeeded(start(program, [...options, ...how], data), "initdb");
}

/** Ports are only known to have been free, so a start that loses a race for one is tried with another. */
async function firstThatComesUp(startOn) {
  let failure;
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
    try {
      const [port] = await freePorts(1);
      return await startOn(port);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function launch(data, port, password) {
  const settings = {
    listen_addresses: "127.0.0.1",
    port,
    unix_socket_directories: "",
    // The machine does not crash in a test, only the server.
    fsync: "off",
    shared_buffers: "32MB",
    max_connections: 50,
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = start(join(postgresPrograms(), "postgres"), ["-D", data, ...options], data);
  const tail = tailOf(child);
  const url = `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`;
  try {
    await untilItAnswers(url, child);
  } catch (error) {
    await endProcess(child, 0);
    throw new Error(`PostgreSQL did not come up: ${error.message}\n${tail()}`);
  }
  return {
    child,
    url,
    port,
    // The fast shutdown, which does not wait for clients.
    end: () => signalled(child, "SIGINT"),
    // The immediate shutdown: no checkpoint, and recovery at the next start.
    crash: () => signalled(child, "SIGQUIT"),
  };
}

function isRunning(child) {
  return child.exitCode === null && child.signalCode === null;
}

async function signalled(child, signal) {
  if (!isRunning(child)) return;
  const exited = once(child, "exit");
  child.kill("SIGCONT");
  child.kill(signal);
  const insist = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await exited;
  clearTimeout(insist);
}

/** Rows of a query. */
async function query(url, text, values) {
  const client = new pg.Client(url);
  client.on("error", () => {}); // the server may be killed meanwhile
  await client.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
}

async function untilItAnswers(url, child) {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    if (!isRunning(child)) throw new Error("it ended at once");
    try {
      await query(url, "SELECT 1");
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await delay(50);
    }
  }
}
