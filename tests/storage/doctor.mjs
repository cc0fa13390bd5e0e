// What `cargo xtask doctor` sees of each storage by the buckets' key. A part copy is asked for where that is safe, and not of
// Ceph, a gateway of which was seen to die of one.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { HeadBucketCommand } from "@aws-sdk/client-s3";
import { on, useCoordinator } from "./support.mjs";

const XTASK = process.env.SYNCSPHERE_XTASK ?? "target/debug/xtask";

/** Registers the test for one server, which the doctor finds to be as `expected` says. */
export function doctorTests(server, expected) {
  const stack = useCoordinator(server);
  on(server, "doctor looks at the bucket by its key, and storage lives on", async () => {
    const { s3 } = stack;
    const env = {
      ...process.env,
      S3_ENDPOINT: s3.endpoint,
      S3_BUCKET: s3.bucket,
      S3_REGION: s3.region,
      S3_ACCESS_KEY_ID: s3.accessKeyId,
      S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
    };
    const args = ["doctor", "--json", "--endpoint", stack.coordinator.url];
    const { stdout } = await promisify(execFile)(XTASK, args, { env }).catch((failed) => failed);
    const { findings } = JSON.parse(stdout);
    const [found] = findings.filter(({ check }) => check === "bucket-profile");
    assert.equal(found?.verdict, "ok", JSON.stringify(findings));
    assert.match(found.detail, expected);
    await s3.client.send(new HeadBucketCommand({ Bucket: s3.bucket }));
  });
}
