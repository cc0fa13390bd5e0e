// How soon the first byte of a file is on its way, where the coordinator is far away.

import { openArena } from "./support/arena.mjs";
import { atMost, benchCase } from "./support/case.mjs";
import { bigFilePeers, ours, oursAgain, oursRested, oursUnchecked, select } from "./support/contestants.mjs";
import { contest } from "./support/contest.mjs";

const ROUND_TRIP_MS = 100;
const GOAL = "one coordinator round trip plus 50 ms";

await benchCase({
  heading: "First part byte on the wire, beside the peers",
  async measure({ quick, rounds }) {
    const size = (quick ? 24 : 64) * 2 ** 20;
    const arena = await openArena({ storage: {}, coordinator: { roundTripMs: ROUND_TRIP_MS } });
    const files = await arena.files(1, size);
    const peers = ["floor", "uppy5", "uppy6", "better-upload"];
    const contestants = [ours, oursRested, oursAgain, oursUnchecked, ...select(bigFilePeers, peers)];
    const turns = quick ? 1 : 2 * rounds + 1; // a turn takes seconds
    const standings = await contest(contestants, { rounds: turns, quick }, (one) => arena.run(one, files));
    await arena.close();

    const firstPut = (result) => result.firstPutMs;
    const first = standings.median("oursRested", firstPut);
    const later = standings.median("oursAgain", firstPut);
    return {
      note:
        `A file of ${size / 2 ** 20} MiB; from the call to the first bytes of a part's PUT as they reach storage, the preflight before it included. ` +
        `Coordinator and peers' servers are ${ROUND_TRIP_MS} ms away, storage is near.`,
      columns: ["uploader", "ms (range)", "above one round trip, ms"],
      rows: contestants.map(({ name, label }) => [
        label,
        standings.spread(name, 0, firstPut),
        (standings.median(name, firstPut) - ROUND_TRIP_MS).toFixed(0),
      ]),
      goals: [
        atMost(
          `${GOAL}, first upload of a page, a second after it made its uploader`,
          first,
          ROUND_TRIP_MS + 50,
          `${first.toFixed(0)} ms`,
          "the coordinator is asked only when the first part is hashed, while two more parts that are hashed beside it take its processor",
        ),
        atMost(
          `${GOAL}, later uploads`,
          later,
          ROUND_TRIP_MS + 50,
          `${later.toFixed(0)} ms`,
          "the coordinator is asked only when the first part is hashed, while two more parts that are hashed beside it take its processor",
        ),
      ],
      othersLoad: standings.othersLoad(),
      raw: standings.raw(),
    };
  },
});
