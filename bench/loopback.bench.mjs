// One large file with nothing in the way but the processors, which browser, storage and coordinator share.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { openArena } from "./support/arena.mjs";
import { atLeast, atMost, benchCase, megabytesPerSecond, times } from "./support/case.mjs";
import { bigFilePeers, ours, oursUnchecked, select } from "./support/contestants.mjs";
import { contest } from "./support/contest.mjs";

await benchCase({
  heading: "One file, loopback",
  async measure({ quick, rounds }) {
    const size = (quick ? 64 : 1024) * 2 ** 20;
    const arena = await openArena();
    const files = await arena.files(1, size);
    const native = {
      name: "s5cmd",
      label: "native: `s5cmd cp` (no browser, no coordinator; concurrency 6, 16 MiB parts)",
    };
    const contestants = [ours, oursUnchecked, ...select(bigFilePeers), native];
    const standings = await contest(contestants, { rounds, quick }, (one) =>
      one === native
        ? arena.store(() => copyNatively(arena.s3Settings, files.paths[0]), files)
        : arena.run(one, files),
    );
    await arena.close();

    const against = (name) => standings.ratio(name, "ours");
    const checkedCost = standings.ratio("ours", "floor");
    const uncheckedCost = standings.ratio("oursUnchecked", "floor");
    const peers = ["uppy5", "uppy6", "lib-storage", "better-upload"];
    // Those that check nothing move the same bytes as ours without checksums.
    const closest = Math.min(...peers.map((name) => standings.ratio(name, "oursUnchecked")));
    const ofNative = standings.ratio("s5cmd", "ours");
    return {
      note: `${size / 2 ** 20} MiB from disk; browser, storage, coordinator and the bench share the processors.`,
      columns: ["uploader", "seconds (range)", "MB/s", "time against ours", "time against the floor"],
      rows: contestants.map(({ name, label }) => [
        label,
        standings.spread(name),
        megabytesPerSecond(size, standings.median(name)),
        times(against(name)),
        times(standings.ratio(name, "floor")),
      ]),
      goals: [
        atMost(
          "checksums on: within 15 % of the floor, which has none",
          checkedCost,
          1.15,
          times(checkedCost),
        ),
        atMost("checksums off: within 3 % of the floor", uncheckedCost, 1.03, times(uncheckedCost)),
        atLeast("ahead of every peer that moves the same bytes (checksums off)", closest, 1, times(closest)),
        atLeast("at least 0.7 of `s5cmd` (issue 2)", ofNative, 0.7, times(ofNative)),
      ],
      othersLoad: standings.othersLoad(),
      raw: standings.raw(),
    };
  },
});

async function copyNatively(s3, path) {
  const start = performance.now();
  const child = spawn(
    process.env.SYNCSPHERE_S5CMD,
    [
      "--endpoint-url",
      s3.endpoint,
      "cp",
      "--concurrency",
      "6",
      "--part-size",
      "16",
      path,
      `s3://${s3.bucket}/native/file.bin`,
    ],
    {
      env: {
        AWS_ACCESS_KEY_ID: s3.accessKeyId,
        AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
        AWS_REGION: s3.region,
      },
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  const [exitCode] = await once(child, "exit");
  if (exitCode !== 0) throw new Error(`s5cmd ended with ${exitCode}`);
  return { seconds: (performance.now() - start) / 1000 };
}
