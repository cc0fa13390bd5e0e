// A page that is busy with something else must not slow its uploads.

import { openArena } from "./support/arena.mjs";
import { atLeast, benchCase } from "./support/case.mjs";
import { bigFilePeers, ours, select } from "./support/contestants.mjs";
import { contest } from "./support/contest.mjs";
import { LINE } from "./support/lines.mjs";

const BLOCKED = { busyMs: 80, freeMs: 20 };

await benchCase({
  heading: "Busy page",
  async measure({ quick, rounds }) {
    const size = (quick ? 24 : 128) * 2 ** 20;
    const arena = await openArena(LINE);
    const files = await arena.files(1, size);
    const entrants = [ours, ...select(bigFilePeers, quick ? ["floor"] : ["floor", "uppy5", "uppy6"])];
    const contestants = entrants.flatMap((one) => [one, { ...one, name: `${one.name}, busy`, busy: true }]);
    const standings = await contest(contestants, { rounds, quick }, (one) =>
      arena.run(one, files, { blocked: one.busy ? BLOCKED : undefined }),
    );
    await arena.close();

    const speed = (name) => standings.ratio(name, `${name}, busy`);
    const percent = (ratio) => `${(100 * ratio).toFixed(1)} %`;
    return {
      note:
        `${size / 2 ** 20} MiB over the shaped line; the main thread is blocked for ${BLOCKED.busyMs} of every ` +
        `${BLOCKED.busyMs + BLOCKED.freeMs} ms (by synchronous requests, which leave the processors free).`,
      columns: ["uploader", "free, seconds (range)", "busy, seconds (range)", "speed busy of free"],
      rows: entrants.map(({ name, label }) => [
        label,
        standings.spread(name),
        standings.spread(`${name}, busy`),
        percent(speed(name)),
      ]),
      goals: [atLeast("at least 95 % of the free speed", speed("ours"), 0.95, percent(speed("ours")))],
      othersLoad: standings.othersLoad(),
      raw: standings.raw(),
    };
  },
});
