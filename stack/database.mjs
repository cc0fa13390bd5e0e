// The metadata database's tables: brings a PostgreSQL database up to date. As a program it takes the database's URL from
// DATABASE_URL, since arguments are there for every user of the machine to read.

import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { runner } from "node-pg-migrate";
import pg from "pg";

const MIGRATIONS = fileURLToPath(new URL("../edge-coordinator/migrations/postgres", import.meta.url));

/**
 * Applies the migrations that the database has not had. Those that it has had are in its table `syncsphere_migrations`,
 * and two that run at once wait for each other.
 *
 * @param {string} url
 * @returns {Promise<string[]>} the names of those applied
 */
export async function setUpDatabase(url) {
  const applied = await runner({
    databaseUrl: url,
    dir: MIGRATIONS,
    migrationsTable: "syncsphere_migrations",
    advisoryLockMode: "wait",
    direction: "up",
    log: () => {},
  });
  return applied.map(({ name }) => name);
}

/** Waits until the database says that a file is available, which is a moment after the coordinator does. */
export async function untilFileArrives(url, fileId) {
  const deadline = Date.now() + ARRIVAL_TIMEOUT_MS;
  const client = new pg.Client(url);
  client.on("error", () => {}); // it shows in the next query
  await client.connect();
  try {
    for (;;) {
      const { rowCount } = await client.query(
        "SELECT FROM files WHERE file_id = $1 AND status = 'available'",
        [fileId],
      );
      if (rowCount > 0) return;
      if (Date.now() > deadline) throw new Error("the file is not in the metadata database");
      await delay(50);
    }
  } finally {
    await client.end();
  }
}

const ARRIVAL_TIMEOUT_MS = 60_000;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const url = process.env.DATABASE_URL;
  if (!url) throw new Error("DATABASE_URL is not set");
  try {
    const applied = await setUpDatabase(url);
    const told = applied.length > 0 ? `applied ${applied.join(", ")}` : "is up to date";
    process.stdout.write(`the database ${told}\n`);
  } catch (error) {
    process.stderr.write(`error: the database cannot be set up: ${error.message || error.code}\n`);
    process.exitCode = 1;
  }
}
