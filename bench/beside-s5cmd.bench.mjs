// `cargo xtask demo --upload` of 1 GiB beside the native client `s5cmd cp`, to the same storage, one after the other.

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { promisify } from "node:util";
import { DeleteObjectsCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { makeRunFolder } from "../stack/run-folder.mjs";
import { startSeaweed } from "../stack/seaweed.mjs";

const run = promisify(execFile);
const QUICK = process.argv.includes("--quick");
const ROUNDS = QUICK ? 1 : 3;
const MIB = 2 ** 20;
const SIZE = (QUICK ? 64 : 1024) * MIB;

const folder = await makeRunFolder();
const s3 = await startSeaweed();
try {
  const file = join(folder.path, "one gibibyte.bin");
  await writeRandom(file, SIZE);
  const ours = [];
  const theirs = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await uploadByDemo(file));
    await emptyBucket();
    theirs.push(await uploadByS5cmd(file));
    await emptyBucket();
  }
  const [us, them] = [median(ours), median(theirs)];
  const row = (name, speeds) => [name, median(speeds).toFixed(0), speeds.map((s) => s.toFixed(0)).join(", ")];
  console.log(
    JSON.stringify({
      heading: "1 GiB on loopback, beside a native client",
      note:
        `Random bytes to the same SeaweedFS, alternating, medians of ${ROUNDS}; browser, storage and coordinator share the machine. ` +
        "Ours from handing the file to the page until it is `available`, with CRC64NVME; `s5cmd cp` from start to end. Goal: a ratio of at least 0.7.",
      columns: ["", "MB/s", "each run"],
      rows: [row("`demo --upload`", ours), row("`s5cmd cp`", theirs), ["ratio", (us / them).toFixed(2), ""]],
    }),
  );
} finally {
  await s3.stop();
  await folder.remove();
}

async function uploadByDemo(file) {
  const { stdout } = await run(
    process.env.SYNCSPHERE_XTASK,
    ["demo", "--s3-endpoint", s3.endpoint, "--upload", file],
    {
      env: {
        ...process.env,
        S3_ACCESS_KEY_ID: s3.accessKeyId,
        S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
        S3_BUCKET: s3.bucket,
        S3_REGION: s3.region,
      },
    },
  );
  const line = JSON.parse(stdout);
  if (!line.verified) throw new Error(`the upload was not verified: ${line.error}`);
  return line.mbPerSecond;
}

async function uploadByS5cmd(file) {
  const started = performance.now();
  await run(
    process.env.SYNCSPHERE_S5CMD,
    ["--endpoint-url", s3.endpoint, "cp", file, `s3://${s3.bucket}/s5cmd`],
    {
      env: {
        ...process.env,
        AWS_ACCESS_KEY_ID: s3.accessKeyId,
        AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
        AWS_REGION: s3.region,
      },
    },
  );
  return SIZE / 1e6 / ((performance.now() - started) / 1000);
}

async function writeRandom(path, size) {
  const file = await open(path, "w");
  for (let written = 0; written < size; written += MIB) await file.write(randomBytes(MIB));
  await file.close();
}

async function emptyBucket() {
  const { Contents = [] } = await s3.client.send(new ListObjectsV2Command({ Bucket: s3.bucket }));
  if (Contents.length === 0) throw new Error("nothing was stored");
  const Objects = Contents.map(({ Key }) => ({ Key }));
  await s3.client.send(new DeleteObjectsCommand({ Bucket: s3.bucket, Delete: { Objects } }));
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
