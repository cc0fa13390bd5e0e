// The browser's memory must not grow with the file.

import { setTimeout as delay } from "node:timers/promises";
import { openArena } from "./support/arena.mjs";
import { atMost, benchCase } from "./support/case.mjs";
import { bigFilePeers, ours, oursUnchecked, select } from "./support/contestants.mjs";
import { contest } from "./support/contest.mjs";
import { browserMemory } from "./support/machine.mjs";

const MIB = 2 ** 20;

await benchCase({
  heading: "Memory for a huge file",
  async measure({ quick }) {
    const size = (quick ? 256 : 10 * 1024) * MIB;
    const [floor] = select(bigFilePeers, ["floor"]);
    // At 10,000 parts at most, and to be like ours, the floor gets larger parts here.
    const contestants = [
      ours,
      oursUnchecked,
      { ...floor, label: "floor (64 MiB parts)", settings: { partSize: 64 * MIB } },
    ];
    // A round moves 30 GiB, and memory differs little from run to run.
    const standings = await contest(contestants, { rounds: 1, quick }, (one) => watchMemory(one, size));

    const peak = (result) => result.peak / MIB;
    const growth = (result) => (result.late - result.early) / MIB;
    const ourPeak = standings.median("ours", peak);
    const ourGrowth = standings.median("ours", growth);
    return {
      note:
        `A sparse file of ${size / 2 ** 30} GiB, one round, a fresh stack each; proportional set size of all browser processes above idle ` +
        "(page open, file picked), each second.",
      columns: [
        "uploader",
        "peak, MiB",
        "peak of the first third, MiB",
        "peak of the last third, MiB",
        "seconds",
      ],
      rows: contestants.map(({ name, label }) => [
        label,
        standings.spread(name, 0, peak),
        standings.spread(name, 0, (result) => result.early / MIB),
        standings.spread(name, 0, (result) => result.late / MIB),
        standings.spread(name, 1),
      ]),
      goals: [
        atMost("under 100 MB above idle", ourPeak * 1.048576, 100, `${(ourPeak * 1.048576).toFixed(0)} MB`),
        atMost(
          "not growing (last third within 10 MiB of the first)",
          ourGrowth,
          10,
          `${ourGrowth.toFixed(0)} MiB`,
        ),
      ],
      othersLoad: standings.othersLoad(),
      raw: standings.raw(),
    };
  },
});

async function watchMemory(contestant, size) {
  const arena = await openArena();
  try {
    const file = await arena.sparseFile(size);
    const samples = [];
    let watching = true;
    let watched;
    let idle;
    const watch = async () => {
      while (watching) {
        samples.push((await browserMemory()) - idle);
        await delay(1000);
      }
    };
    const result = await arena.run(contestant, file, {
      before: async () => {
        await delay(2000);
        idle = await browserMemory();
      },
      during: async () => {
        watched = watch();
      },
    });
    watching = false;
    await watched;
    const third = Math.ceil(samples.length / 3);
    return {
      ...result,
      peak: Math.max(...samples),
      early: Math.max(...samples.slice(0, third)),
      late: Math.max(...samples.slice(-third)),
    };
  } finally {
    await arena.close();
  }
}
