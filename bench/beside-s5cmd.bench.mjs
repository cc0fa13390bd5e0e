// `cargo xtask demo --upload` beside the native client `s5cmd cp`, to the same storage, one after the other.

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { promisify } from "node:util";
import { DeleteObjectsCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { makeRunFolder } from "../stack/run-folder.mjs";
import { startSeaweed } from "../stack/seaweed.mjs";
import { atLeast, benchCase, times } from "./support/case.mjs";
import { contest } from "./support/contest.mjs";

const run = promisify(execFile);
const MIB = 2 ** 20;

const demo = { name: "demo", label: "`cargo xtask demo --upload`" };
const s5cmd = { name: "s5cmd", label: "native: `s5cmd cp` with its own settings" };

await benchCase({
  heading: "The demo command beside a native client",
  async measure({ quick, rounds }) {
    const size = (quick ? 32 : 1024) * MIB;
    const folder = await makeRunFolder();
    const s3 = await startSeaweed();
    const file = join(folder.path, "random.bin");
    await writeRandom(file, size);
    const standings = await contest([demo, s5cmd], { rounds, quick }, async (contestant) => {
      const seconds = await (contestant === demo ? uploadByDemo : uploadByS5cmd)(s3, file);
      await emptyBucket(s3);
      return { seconds, speed: size / 1e6 / seconds };
    });
    await s3.stop();
    await folder.remove();

    const ratio = standings.ratio("s5cmd", "demo");
    return {
      note:
        `${size / MIB} MiB of random bytes to the same SeaweedFS; browser, storage and coordinator share the machine. ` +
        "Ours from handing the file to the page until it is `available`, checksums included; `s5cmd cp` from start to end.",
      columns: ["", "MB/s (range)"],
      rows: [demo, s5cmd].map(({ name, label }) => [
        label,
        standings.spread(name, 1, (result) => result.speed),
      ]),
      goals: [atLeast("at least 0.7 of `s5cmd` (issue 2)", ratio, 0.7, times(ratio))],
      othersLoad: standings.othersLoad(),
      raw: standings.raw(),
    };
  },
});

async function uploadByDemo(s3, file) {
  const options = ["demo", "--s3-endpoint", s3.endpoint, "--upload", file];
  const { stdout } = await run(process.env.SYNCSPHERE_XTASK, options, {
    env: {
      ...process.env,
      S3_ACCESS_KEY_ID: s3.accessKeyId,
      S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
      S3_BUCKET: s3.bucket,
      S3_REGION: s3.region,
    },
  });
  const line = JSON.parse(stdout);
  if (!line.verified) throw new Error(`the upload was not verified: ${line.error}`);
  return line.seconds;
}

async function uploadByS5cmd(s3, file) {
  const started = performance.now();
  const options = ["--endpoint-url", s3.endpoint, "cp", file, `s3://${s3.bucket}/s5cmd`];
  await run(process.env.SYNCSPHERE_S5CMD, options, {
    env: {
      ...process.env,
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
      AWS_REGION: s3.region,
    },
  });
  return (performance.now() - started) / 1000;
}

async function writeRandom(path, size) {
  const file = await open(path, "w");
  for (let written = 0; written < size; written += MIB) await file.write(randomBytes(MIB));
  await file.close();
}

async function emptyBucket(s3) {
  const { Contents = [] } = await s3.client.send(new ListObjectsV2Command({ Bucket: s3.bucket }));
  if (Contents.length === 0) throw new Error("nothing was stored");
  const Objects = Contents.map(({ Key }) => ({ Key }));
  await s3.client.send(new DeleteObjectsCommand({ Bucket: s3.bucket, Delete: { Objects } }));
}
