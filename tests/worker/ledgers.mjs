// The SQLite databases in which workspaces keep their ledgers, while no coordinator has them open.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Opens the database of every workspace that a stopped coordinator has kept. */
export async function editLedgers(folder, edit) {
  for (const name of await readdir(folder, { recursive: true })) {
    if (!name.endsWith(".sqlite")) continue;
    const ledger = new DatabaseSync(join(folder, name));
    try {
      const { tables } = ledger
        .prepare("SELECT count(*) AS tables FROM sqlite_master WHERE name = 'chores'")
        .get();
      if (tables > 0) edit(ledger);
    } finally {
      ledger.close();
    }
  }
}
