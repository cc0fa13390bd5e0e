// The metadata database: how far behind it is in the calm, and how fast it catches up after an outage.

import { startCoordinator } from "../stack/coordinator.mjs";
import { startPostgres } from "../stack/postgres.mjs";
import { startSeaweed } from "../stack/seaweed.mjs";
import { benchCase } from "./support/case.mjs";
import { FILES_PER_REQUEST, guest } from "./support/guest.mjs";
import { settle, watchOthers } from "./support/machine.mjs";

const CALM_CHANGES = 100;

await benchCase({
  heading: "The metadata database",
  async measure({ quick, rounds }) {
    const missed = quick ? 1_000 : 10_000;
    const [database, s3] = [await startPostgres(), await startSeaweed()];
    const coordinator = await startCoordinator({ s3, databaseUrl: database.url, assets: false, edge: false });
    await settle();
    const others = await watchOthers();
    const results = [];
    for (let round = 0; round < rounds; round++) {
      const calm = await guest(coordinator.url, `calm-${round}`);
      for (let change = 0; change < CALM_CHANGES; change++) {
        await calm.open(1);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await arrived(database, calm, CALM_CHANGES);
      const lag = await lagOf(database, calm);

      const late = await guest(coordinator.url, `late-${round}`);
      await database.kill();
      for (let sent = 0; sent < missed; sent += FILES_PER_REQUEST) await late.open(FILES_PER_REQUEST);
      await database.resume();
      const resumedAt = performance.now();
      await arrived(database, late, missed);
      const caughtUpSeconds = (performance.now() - resumedAt) / 1000;
      results.push({ lag, caughtUpSeconds, drainSeconds: await drainOf(database, late) });
    }
    const othersLoad = await others();
    await coordinator.stop();
    await s3.stop();
    await database.stop();

    const spread = (value, digits) => {
      const values = results.map(value).sort((one, other) => one - other);
      const [low, high] = [values[0], values.at(-1)].map((number) => number.toFixed(digits));
      return `${values[Math.floor(values.length / 2)].toFixed(digits)} (${low} to ${high})`;
    };
    return {
      note:
        `PostgreSQL, workerd and storage on this machine, ${rounds} rounds. In the calm: ${CALM_CHANGES} changes, one each 50 ms. ` +
        `After an outage: ${missed} changes made while the server was down.`,
      columns: ["what", "median (range)"],
      rows: [
        ["from a change to its row, p50, ms", spread(({ lag }) => lag.p50, 0)],
        ["from a change to its row, p99, ms", spread(({ lag }) => lag.p99, 0)],
        ["changes a second while catching up", spread(({ drainSeconds }) => missed / drainSeconds, 0)],
        ["from the server's return to the last row, s", spread(({ caughtUpSeconds }) => caughtUpSeconds, 1)],
      ],
      othersLoad,
      raw: { missed, results },
    };
  },
});

async function arrived(database, { workspace }, count) {
  for (;;) {
    const [row] = await database.query("SELECT count(*)::int FROM file_changes WHERE workspace = $1", [
      workspace,
    ]);
    if (row.count === count) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function lagOf(database, { workspace }) {
  const [lag] = await database.query(
    `SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS p50, percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) AS p99
       FROM (SELECT extract(epoch FROM delivered_at - at)::float8 * 1000 AS ms FROM file_changes WHERE workspace = $1) AS lags`,
    [workspace],
  );
  return lag;
}

/** From the first row to the last, in seconds. */
async function drainOf(database, { workspace }) {
  const [row] = await database.query(
    "SELECT extract(epoch FROM max(delivered_at) - min(delivered_at))::float8 AS seconds FROM file_changes WHERE workspace = $1",
    [workspace],
  );
  return row.seconds;
}
