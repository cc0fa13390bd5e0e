// One large file over a line like many have: some delay, a limit for each connection, one for all.

import { openArena } from "./support/arena.mjs";
import { atLeast, benchCase, megabytesPerSecond, times } from "./support/case.mjs";
import { bigFilePeers, ours, oursByTwoNames, select } from "./support/contestants.mjs";
import { contest } from "./support/contest.mjs";
import { LINE } from "./support/lines.mjs";

await benchCase({
  heading: "One file over a shaped line",
  async measure({ quick, rounds }) {
    const size = (quick ? 24 : 256) * 2 ** 20;
    const arena = await openArena({ ...LINE, secondName: true });
    const files = await arena.files(1, size);
    const contestants = [ours, oursByTwoNames, ...select(bigFilePeers)];
    const standings = await contest(contestants, { rounds, quick }, (one) => arena.run(one, files));
    await arena.close();

    const ideal = size / (6 * LINE.storage.perConnection);
    const efficiency = ideal / standings.median("ours");
    const against = (name) => standings.ratio(name, "ours");
    return {
      note:
        `${size / 2 ** 20} MiB from disk; 50 ms round trip to storage and coordinator, 5 MB/s a connection, 40 MB/s in all; ` +
        `six connections carry it in ${ideal.toFixed(2)} s at best.`,
      columns: [
        "uploader",
        "seconds (range)",
        "MB/s",
        "of what six connections carry",
        "time against ours",
        "first part byte after, ms",
      ],
      rows: contestants.map(({ name, label }) => [
        label,
        standings.spread(name),
        megabytesPerSecond(size, standings.median(name)),
        `${((100 * ideal) / standings.median(name)).toFixed(1)} %`,
        times(against(name)),
        standings.spread(name, 0, (result) => result.firstPutMs),
      ]),
      goals: [
        atLeast("at least 5 × Uppy 6.3", against("uppy6"), 5, times(against("uppy6"))),
        atLeast("at least 1.15 × Uppy 5.1", against("uppy5"), 1.15, times(against("uppy5"))),
        atLeast(
          "at least 3 × lib-storage",
          against("lib-storage"),
          3,
          times(against("lib-storage")),
          "lib-storage is given its best settings here, six parts at a time instead of four: six full connections would be 2.5 × it",
        ),
        atLeast(
          "92 % of what six connections can carry, aim 95",
          efficiency,
          0.92,
          `${(100 * efficiency).toFixed(1)} %`,
        ),
        atLeast(
          "storage under two names: at least 3 × lib-storage",
          standings.ratio("lib-storage", "oursByTwoNames"),
          3,
          times(standings.ratio("lib-storage", "oursByTwoNames")),
        ),
      ],
      othersLoad: standings.othersLoad(),
      raw: standings.raw(),
    };
  },
});
