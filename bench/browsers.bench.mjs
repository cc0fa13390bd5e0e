// Speed and memory in each engine, beside a plain loop of requests in the same engine.

import { ENGINE_NAMES, whyMissing } from "../stack/browsers/index.mjs";
import { openArena } from "./support/arena.mjs";
import { atLeast, atMost, benchCase, times } from "./support/case.mjs";
import { bigFilePeers, ours, oursUnchecked, select } from "./support/contestants.mjs";
import { contest } from "./support/contest.mjs";
import { runInEngine, runInEngines } from "./support/engine-run.mjs";

const MIB = 2 ** 20;

/** Most memory above idle, in MB. Source: issue 17. */
const MOST_MEMORY = 150;

/** Most rounds: of three engines, each of which takes a minute a round. Source: own choice. */
const MOST_ROUNDS = 2;

await benchCase({
  heading: "Every browser",
  async measure({ quick, rounds: wished }) {
    const rounds = Math.min(wished, MOST_ROUNDS);
    const engines = ENGINE_NAMES.filter((name) => !whyMissing(name));
    const [floor] = select(bigFilePeers, ["floor"]);
    const contestants = engines.flatMap((engine) =>
      [ours, oursUnchecked, floor].map((one) => ({ ...one, name: `${engine} ${one.name}`, engine })),
    );

    const size = (quick ? 64 : 1024) * MIB;
    const standings = await inArena(async (arena) => {
      const files = await arena.files(1, size);
      return await contest(contestants, { rounds, quick }, (one) =>
        runInEngine(arena, one.engine, one, files),
      );
    });
    const hugeSize = (quick ? 256 : 10 * 1024) * MIB;
    // One round, for memory differs little from run to run, with a storage of its own, for it may not give room back at once.
    const huge = await contest([{ name: "huge", label: ours.label }], { rounds: 1, quick }, () =>
      inArena(async (arena) => runInEngines(arena, engines, ours, await arena.sparseFile(hugeSize))),
    );
    const [hugeResult] = huge.results("huge");
    const hugePeak = (engine) => hugeResult.engines?.[engine].peak ?? NaN;

    const speed = (result) => size / 1e6 / result.seconds;
    const peak = (result) => result.peak / MIB;
    const most = (name) => Math.max(...standings.results(name).map((result) => result.peak ?? NaN));
    const memoryGoal = (engine, bytes, measured) => {
      const goal = `${engine}: under ${MOST_MEMORY} MB above idle for ${bytes / MIB} MiB`;
      return atMost(goal, measured / 1e6, MOST_MEMORY, `${(measured / 1e6).toFixed(0)} MB`);
    };
    const speedGoal = (engine, one, least, how) => {
      const measured = standings.ratio(`${engine} floor`, `${engine} ${one}`);
      const goal = `${engine}: at least ${least} of the plain loop, ${how}`;
      return atLeast(goal, measured, least, times(measured));
    };
    return {
      note:
        `${size / MIB} MiB of random bytes from disk, ${rounds} rounds, each in a browser that was just started; browser, storage and coordinator share the ` +
        `processors. ${hugeSize / MIB} MiB of zeros are sent by all browsers at once, for their memory alone. ` +
        `Memory: proportional set size of all the browser's processes above idle (page open, file picked), each half a second. ${versions(standings, engines)}.` +
        ENGINE_NAMES.filter(whyMissing)
          .map((name) => ` Not run: ${name}, ${whyMissing(name)}.`)
          .join(""),
      columns: ["browser, uploader", "MB/s (range)", "speed against the plain loop", "memory, MiB (range)"],
      rows: [
        ...contestants.map(({ name, engine, label }) => [
          `${engine}: ${label}`,
          standings.spread(name, 1, speed),
          times(standings.ratio(`${engine} floor`, name)),
          standings.spread(name, 0, peak),
        ]),
        ...engines.map((engine) => [
          `${engine}: ${ours.label}, ${hugeSize / MIB} MiB of zeros`,
          "–",
          "–",
          hugeResult.error ? huge.spread("huge") : (hugePeak(engine) / MIB).toFixed(0),
        ]),
      ],
      goals: engines.flatMap((engine) => [
        speedGoal(engine, "oursUnchecked", 0.9, "without checksums"),
        speedGoal(engine, "ours", 0.8, "with checksums"),
        memoryGoal(engine, size, most(`${engine} ours`)),
        memoryGoal(engine, hugeSize, hugePeak(engine)),
      ]),
      othersLoad: standings.othersLoad(),
      raw: { ...standings.raw(), ...huge.raw() },
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
