// The shaped line again, where connections break and storage is busy now and then.

import { openArena } from "./support/arena.mjs";
import { atMost, benchCase, times } from "./support/case.mjs";
import { bigFilePeers, ours, oursByTwoNames, select } from "./support/contestants.mjs";
import { contest } from "./support/contest.mjs";
import { LINE } from "./support/lines.mjs";

await benchCase({
  heading: "One file over a shaped line with faults",
  async measure({ quick, rounds }) {
    const size = (quick ? 24 : 256) * 2 ** 20;
    const arena = await openArena({ ...LINE, faults: true, secondName: true });
    const files = await arena.files(1, size);
    const named = quick ? ["floor", "uppy5"] : undefined;
    const entrants = [ours, oursByTwoNames, ...select(bigFilePeers, named)];
    const contestants = entrants.flatMap((one) => [
      { ...one, faulty: false },
      { ...one, name: `${one.name}, faults`, faulty: true },
    ]);
    const standings = await contest(contestants, { rounds, quick }, async (one) => {
      arena.proxy.behave();
      const faults = one.faulty ? spoil(arena.proxy) : { resets: 0, refusals: 0 };
      return { ...(await arena.run(one, files)), ...faults };
    });
    await arena.close();

    const slowdown = (name) => standings.ratio(`${name}, faults`, name);
    return {
      note:
        `${size / 2 ** 20} MiB over the same line; of the part requests 3 % lose their connection halfway (the 2nd, then every 33rd) ` +
        "and 2 % are answered 503 (the 4th, then every 50th).",
      columns: [
        "uploader",
        "clean, seconds (range)",
        "with faults, seconds (range)",
        "with faults against clean",
        "faults met",
      ],
      rows: entrants.map(({ name, label }) => [
        label,
        standings.spread(name),
        standings.spread(`${name}, faults`),
        times(slowdown(name)),
        met(standings.results(`${name}, faults`)),
      ]),
      goals: [
        atMost(
          "ours within 15 % of the clean run",
          slowdown("ours"),
          1.15,
          times(slowdown("ours")),
          "a part that is lost goes again whole, on one connection",
        ),
      ],
      othersLoad: standings.othersLoad(),
      raw: standings.raw(),
    };
  },
});

/** Breaks and refuses the same requests of everyone; tells how many in what it returns. */
function spoil(proxy) {
  const faults = { resets: 0, refusals: 0 };
  let puts = 0;
  proxy.interfere(({ method, contentLength }) => {
    if (method !== "PUT") return undefined;
    puts += 1;
    if (puts % 33 === 2) {
      faults.resets += 1;
      return { kind: "reset", afterBytes: Math.floor(contentLength / 2) };
    }
    if (puts % 50 === 4) {
      faults.refusals += 1;
      return { kind: "answer", status: 503, code: "SlowDown" };
    }
    return undefined;
  });
  return faults;
}

function met(results) {
  return results.map((result) => (result.error ? "–" : `${result.resets} + ${result.refusals}`)).join(", ");
}
