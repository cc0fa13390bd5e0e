// The metadata database's tables: brings a PostgreSQL database up to date. As a program it takes the database's URL from
// DATABASE_URL, since arguments are there for every user of the machine to read.

import { fileURLToPath } from "node:url";
import { runner } from "node-pg-migrate";

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
