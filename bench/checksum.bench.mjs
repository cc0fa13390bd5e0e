// CRC64NVME on one core of the browser, beside the packages that npm has for it.

import { openArena } from "./support/arena.mjs";
import { atLeast, benchCase, times } from "./support/case.mjs";
import { contest } from "./support/contest.mjs";

const CONTESTANTS = [
  { name: "ours", label: "SyncSphere (Rust in WASM, as built for the package)" },
  { name: "hash-wasm", label: "hash-wasm 4.13.0 `createCRC64` with NVMe's polynomial (WASM)" },
  { name: "aws-js", label: "@aws-sdk/crc64-nvme 3.972.51 (JavaScript, what the AWS SDK uses in browsers)" },
];

await benchCase({
  heading: "CRC64NVME in the browser",
  async measure({ quick, rounds }) {
    const arena = await openArena();
    const mebibytes = quick ? 64 : 1024;
    const turns = quick ? 1 : 2 * rounds + 1;
    const standings = await contest(CONTESTANTS, { rounds: turns, quick }, ({ name }) =>
      arena.evaluate("checksums", ([way, pieces]) => globalThis.checksum(way, pieces), [name, mebibytes]),
    );
    await arena.close();

    const checks = new Set(
      CONTESTANTS.flatMap(({ name }) => standings.results(name).map(({ check }) => check)),
    );
    if (checks.size !== 1) throw new Error(`they differ: ${[...checks]}`);
    const speed = (result) => result.bytes / 1e9 / result.seconds;
    const ours = standings.median("ours", speed);
    return {
      note:
        `${mebibytes} MiB of memory in pieces of 1 MiB, on the main thread; all agree on the checksum. npm's third package, ` +
        "`@aws-sdk/crc64-nvme-crt`, is native code for Node and falls back to the JavaScript one in browsers.",
      columns: ["package", "GB/s (range)", "ours is faster by"],
      rows: CONTESTANTS.map(({ name, label }) => [
        label,
        standings.spread(name, 2, speed),
        times(standings.ratio(name, "ours")),
      ]),
      goals: [
        atLeast(
          "over 1.7 GB/s a core",
          ours,
          1.7,
          `${ours.toFixed(2)} GB/s`,
          "bound by its sixteen table look-ups for sixteen bytes: two or four interleaved streams were tried and are no faster, and WebAssembly has no carry-less multiplication",
        ),
      ],
      othersLoad: standings.othersLoad(),
      raw: standings.raw(),
    };
  },
});
