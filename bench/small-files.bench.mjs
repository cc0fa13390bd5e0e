// Many small files: what counts is how few round trips each costs.

import { openArena } from "./support/arena.mjs";
import { atLeast, benchCase, times } from "./support/case.mjs";
import { ours, oursUnchecked, select, smallFilePeers } from "./support/contestants.mjs";
import { contest } from "./support/contest.mjs";

await benchCase({
  heading: "Many small files",
  async measure({ quick, rounds }) {
    const count = quick ? 30 : 300;
    const arena = await openArena({ storage: { roundTripMs: 50 }, coordinator: { roundTripMs: 50 } });
    const files = await arena.files(count, 100_000);
    const contestants = [ours, oursUnchecked, ...select(smallFilePeers)];
    const standings = await contest(contestants, { rounds, quick }, (one) => arena.run(one, files));
    await arena.close();

    const against = (name) => standings.ratio(name, "ours");
    return {
      note: `${count} files of 100 KB from disk; 50 ms round trip to storage and coordinator.`,
      columns: ["uploader", "seconds (range)", "ms a file", "time against ours", "first part byte after, ms"],
      rows: contestants.map(({ name, label }) => [
        label,
        standings.spread(name),
        ((1000 * standings.median(name)) / count).toFixed(1),
        times(against(name)),
        standings.spread(name, 0, (result) => result.firstPutMs ?? NaN),
      ]),
      goals: [
        atLeast("at least 2 × Uppy 6.3", against("uppy6"), 2, times(against("uppy6"))),
        atLeast("at least 2 × Uppy 5.1", against("uppy5"), 2, times(against("uppy5"))),
      ],
      othersLoad: standings.othersLoad(),
      raw: standings.raw(),
    };
  },
});
