// Many small files: what counts is how few round trips each costs.

import { openArena } from "./support/arena.mjs";
import { atLeast, benchCase, times } from "./support/case.mjs";
import { ours, oursByTwoNames, oursUnchecked, select, smallFilePeers } from "./support/contestants.mjs";
import { contest } from "./support/contest.mjs";

const VERSIONS = { uppy5: "Uppy 5.1", uppy6: "Uppy 6.3" };

const REASON =
  "both send forms, one round trip a file with a preflight that is remembered: six connections carry 300 files in 2.5 s at the " +
  "least, and Uppy with a high limit fills them as well; with its default limit of 6 it also waits for each signature. Both keep " +
  "two cores busy: ours take 7.5 to 9 processor seconds, Uppy's 6.7 to 7.5, for each of ours is looked at and copied into its " +
  "place, which costs storage as much as taking it (3.7 ms)";

await benchCase({
  heading: "Many small files",
  async measure({ quick, rounds }) {
    const count = quick ? 30 : 300;
    const arena = await openArena({
      storage: { roundTripMs: 50 },
      coordinator: { roundTripMs: 50 },
      secondName: true,
    });
    const files = await arena.files(count, 100_000);
    const contestants = [ours, oursUnchecked, oursByTwoNames, ...select(smallFilePeers)];
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
        standings.spread(name, 0, (result) => result.firstPutMs),
      ]),
      goals: ["uppy6", "uppy5"].flatMap((name) =>
        ["", ", default limit"].flatMap((limit) =>
          [ours, oursByTwoNames].map((one) => {
            const ratio = standings.ratio(`${name}${limit}`, one.name);
            const goal = `at least 2 × ${VERSIONS[name]}${limit || ", limit 20"}${one === ours ? "" : ", storage under two names"}`;
            return atLeast(goal, ratio, 2, times(ratio), REASON);
          }),
        ),
      ),
      othersLoad: standings.othersLoad(),
      raw: standings.raw(),
    };
  },
});
