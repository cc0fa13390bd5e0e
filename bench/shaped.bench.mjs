// One large file over a line like many have: some delay, a limit for each connection, one for all.

import { openArena } from "./support/arena.mjs";
import { atLeast, benchCase, megabytesPerSecond, times } from "./support/case.mjs";
import { bigFilePeers, ours, oursByTwoNames, select } from "./support/contestants.mjs";
import { contest } from "./support/contest.mjs";
import { LINE } from "./support/lines.mjs";

const ROUNDS =
  "each of four rounds of parts costs a connection two round trips, the preflight's and the answer's, and some 30 ms of storage; two rounds are of smaller parts, which is what a line with faults needs: three rounds of equal parts were measured at 91.5 % and 1.13 ×";

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
      goals: [ours, oursByTwoNames].flatMap(({ name }) => goals(standings, name, ideal)),
      othersLoad: standings.othersLoad(),
      raw: standings.raw(),
    };
  },
});

function goals(standings, ours, ideal) {
  const suffix = ours === "ours" ? "" : ", storage under two names";
  const faster = (goal, peer, least, reason) => {
    const ratio = standings.ratio(peer, ours);
    return atLeast(goal + suffix, ratio, least, times(ratio), reason);
  };
  const efficiency = ideal / standings.median(ours);
  return [
    faster("at least 5 × Uppy 6.3", "uppy6", 5),
    faster("at least 1.15 × Uppy 5.1", "uppy5", 1.15, ROUNDS),
    faster(
      "at least 3 × lib-storage",
      "lib-storage",
      3,
      "lib-storage is given its best settings here, six parts at a time instead of four: six full connections would be 2.5 × it",
    ),
    atLeast(
      `92 % of what six connections can carry, aim 95${suffix}`,
      efficiency,
      0.92,
      `${(100 * efficiency).toFixed(1)} %`,
      ROUNDS,
    ),
  ];
}
