// Speed and memory in each engine, beside a plain loop of requests in the same engine.

import { ENGINE_NAMES, whyMissing } from "../stack/browsers/index.mjs";
import { openArena } from "./support/arena.mjs";
import { atLeast, atMost, benchCase, times } from "./support/case.mjs";
import { bigFilePeers, ours, oursUnchecked, select } from "./support/contestants.mjs";
import { contest } from "./support/contest.mjs";
import { runInEngine } from "./support/engine-run.mjs";

const MIB = 2 ** 20;

/** Most memory above idle, in MB. Source: issue 17. */
const MOST_MEMORY = 150;

await benchCase({
  heading: "Every browser",
  async measure({ quick, rounds }) {
    const engines = ENGINE_NAMES.filter((name) => !whyMissing(name));
    const [floor] = select(bigFilePeers, ["floor"]);
    const inEach = (contestants) =>
      engines.flatMap((engine) =>
        contestants.map((one) => ({ ...one, name: `${engine} ${one.name}`, engine })),
      );

    const size = (quick ? 64 : 1024) * MIB;
    const contestants = inEach([ours, oursUnchecked, floor]);
    const standings = await inArena(async (arena) => {
      const files = await arena.files(1, size);
      return await contest(contestants, { rounds, quick }, (one) =>
        runInEngine(arena, one.engine, one, files),
      );
    });
    const hugeSize = (quick ? 256 : 10 * 1024) * MIB;
    // A round writes 10 GiB for each engine, and memory differs little from run to run.
    const huge = await contest(inEach([ours]), { rounds: 1, quick }, (one) =>
      // A storage of its own, for it may not give room back at once.
      inArena(async (arena) => runInEngine(arena, one.engine, one, await arena.sparseFile(hugeSize))),
    );

    const speed = (bytes) => (result) => bytes / 1e6 / result.seconds;
    const peak = (result) => result.peak / MIB;
    const most = (from, name) => Math.max(...from.results(name).map(({ peak = NaN }) => peak / 1e6));
    const share = (engine, one) => standings.ratio(`${engine} floor`, `${engine} ${one}`);
    const memoryGoal = (engine, bytes, from) => {
      const measured = most(from, `${engine} ours`);
      const goal = `${engine}: under ${MOST_MEMORY} MB above idle for ${bytes / MIB} MiB`;
      return atMost(goal, measured, MOST_MEMORY, `${measured.toFixed(0)} MB`);
    };
    const speedGoal = (engine, one, least, how) => {
      const measured = share(engine, one);
      return atLeast(
        `${engine}: at least ${least} of the plain loop, ${how}`,
        measured,
        least,
        times(measured),
      );
    };
    return {
      note:
        `${size / MIB} MiB of random bytes from disk, ${rounds} rounds, each in a browser that was just started; browser, storage and coordinator share the ` +
        `processors. Memory: proportional set size of all the browser's processes above idle (page open, file picked), each half a second. ${versions(standings, engines)}.` +
        ENGINE_NAMES.filter(whyMissing)
          .map((name) => ` Not run: ${name}, ${whyMissing(name)}.`)
          .join(""),
      columns: ["browser, uploader", "MB/s (range)", "speed against the plain loop", "memory, MiB (range)"],
      rows: [
        ...contestants.map(({ name, engine, label }) => [
          `${engine}: ${label}`,
          standings.spread(name, 1, speed(size)),
          times(standings.ratio(`${engine} floor`, name)),
          standings.spread(name, 0, peak),
        ]),
        ...inEach([ours]).map(({ name, engine, label }) => [
          `${engine}: ${label}, ${hugeSize / 2 ** 30} GiB of zeros, one round`,
          huge.spread(name, 1, speed(hugeSize)),
          "–",
          huge.spread(name, 0, peak),
        ]),
      ],
      goals: engines.flatMap((engine) => [
        speedGoal(engine, "oursUnchecked", 0.9, "without checksums"),
        speedGoal(engine, "ours", 0.8, "with checksums"),
        memoryGoal(engine, size, standings),
        memoryGoal(engine, hugeSize, huge),
      ]),
      othersLoad: standings.othersLoad(),
      raw: { ...standings.raw(), huge: huge.raw() },
    };
  },
});

async function inArena(use) {
  const arena = await openArena({ chromium: false });
  try {
    return await use(arena);
  } finally {
    await arena.close();
  }
}

/** `chromium 156.0, firefox 153.8` */
function versions(standings, engines) {
  return engines
    .map((engine) => {
      const told = standings.contestants
        .filter((one) => one.engine === engine)
        .flatMap(({ name }) => standings.results(name))
        .find(({ version }) => version);
      return `${engine} ${told?.version ?? "never ended"}`;
    })
    .join(", ");
}
