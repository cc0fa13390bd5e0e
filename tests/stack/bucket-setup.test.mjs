// `cargo xtask bucket-setup` on a real S3 server: what it sets, what it leaves alone, and that it may be repeated.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer, request as httpRequest } from "node:http";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import {
  GetBucketCorsCommand,
  GetBucketLifecycleConfigurationCommand,
  HeadBucketCommand,
  PutBucketCorsCommand,
  PutBucketLifecycleConfigurationCommand,
} from "@aws-sdk/client-s3";
import { abortRule, corsRule, withAbortRule, withCorsRule } from "../../stack/bucket-rules.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";

const XTASK = process.env.SYNCSPHERE_XTASK ?? "target/debug/xtask";
const APP = "https://app.example";

describe("on SeaweedFS", () => {
  let s3;
  before(async () => (s3 = await startSeaweed()));
  after(() => s3?.stop());

  test("makes a bucket only when told to, and gives it both rules", async () => {
    const Bucket = "fresh";
    const missing = await setUp(Bucket, "--origin", APP);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /--create/);
    const dry = await setUp(Bucket, "--origin", APP, "--create", "--dry-run");
    assert.match(dry.stdout, /^would create the bucket fresh$/m);
    await assert.rejects(s3.client.send(new HeadBucketCommand({ Bucket })));

    const made = await setUp(Bucket, "--origin", APP, "--origin", "http://localhost:8787", "--create");
    assert.equal(made.code, 0, made.stderr);
    const [rule, ...others] = await corsOf(Bucket);
    assert.deepEqual(others, []);
    assert.deepEqual(rule.AllowedOrigins.toSorted(), ["http://localhost:8787", APP]);
    assert.deepEqual(rule.AllowedHeaders, corsRule([]).AllowedHeaders);
    assert.deepEqual(await lifecycleOf(Bucket), [61]);
    assert.ok(await preflight(Bucket, APP));
    assert.ok(!(await preflight(Bucket, "https://other.example")));
  });

  test("does the same for every bucket of S3_BUCKETS", async () => {
    const buckets = ["--buckets", "eu-*=several-eu, acme=several-acme,b=several,c=several-eu"];
    const made = await setUp("several", "--origin", APP, "--create", ...buckets);
    assert.equal(made.code, 0, made.stderr);
    for (const Bucket of ["several", "several-eu", "several-acme"]) {
      assert.deepEqual((await corsOf(Bucket))[0].AllowedOrigins, [APP], Bucket);
      assert.deepEqual(await lifecycleOf(Bucket), [61]);
    }
    assert.deepEqual(made.stdout.match(/^created: /gm)?.length, 3, made.stdout);
    const missing = await setUp("several", "--origin", APP, "--buckets", "a=several-none");
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /several-none.*--create/);
    const wrong = await setUp("several", "--origin", APP, "--buckets", "several-eu");
    assert.match(wrong.stderr, /S3_BUCKETS has to be a list/);
  });

  test("lets pages send what objects are stored with", async () => {
    const Bucket = "stored";
    const headers = JSON.stringify({ "X-Amz-Storage-Class": "STANDARD", "cache-control": "no-store" });
    const made = await setUp(Bucket, "--origin", APP, "--create", "--object-headers", headers);
    assert.equal(made.code, 0, made.stderr);
    const [rule] = await corsOf(Bucket);
    assert.deepEqual(rule.AllowedHeaders.slice(-2), ["cache-control", "x-amz-storage-class"]);
    const wrong = await setUp(Bucket, "--origin", APP, "--object-headers", "cache-control: no-store");
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /S3_OBJECT_HEADERS has to be a JSON object/);
  });

  test("changes nothing the second time, and its own rules when asked for others", async () => {
    const Bucket = "again";
    await setUp(Bucket, "--origin", APP, "--create");
    const before = await corsOf(Bucket);
    const again = await setUp(Bucket, "--origin", APP);
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual(again.stdout.match(/^as it should be/gm)?.length, 2, again.stdout);
    assert.deepEqual(await corsOf(Bucket), before);

    const dry = await setUp(Bucket, "--origin", "https://new.example", "--days", "9", "--dry-run");
    assert.deepEqual(dry.stdout.match(/^would set/gm)?.length, 2, dry.stdout);
    assert.deepEqual(await corsOf(Bucket), before);

    await setUp(Bucket, "--origin", "https://new.example", "--days", "9");
    assert.deepEqual(
      (await corsOf(Bucket)).map((rule) => rule.AllowedOrigins),
      [["https://new.example"]],
    );
    assert.deepEqual(await lifecycleOf(Bucket), [9]);

    // By itself it is a day more than the coordinator keeps an upload.
    const kept = ["--upload-max-lifetime", String(9.5 * 86_400)];
    await setUp(Bucket, "--origin", "https://new.example", ...kept);
    assert.deepEqual(await lifecycleOf(Bucket), [11]);
  });

  test("keeps the rules of others", async () => {
    const Bucket = s3.bucket;
    const foreign = { ID: "theirs", AllowedOrigins: ["https://theirs.example"], AllowedMethods: ["GET"] };
    const expiring = {
      ID: "old logs",
      Status: "Enabled",
      Filter: { Prefix: "logs/" },
      Expiration: { Days: 90 },
    };
    await s3.client.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules: [foreign] } }));
    await s3.client.send(
      new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [expiring] } }),
    );

    const { code, stdout, stderr } = await setUp(Bucket, "--origin", APP);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /beside 1 rule of others/);
    const origins = (await corsOf(Bucket)).map((rule) => rule.AllowedOrigins);
    assert.deepEqual(origins, [[APP], ["https://theirs.example"]]);
    assert.ok(await preflight(Bucket, APP));
    const { Rules } = await s3.client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    const [kept] = Rules.filter((rule) => rule.ID === "old logs");
    assert.equal(kept?.Expiration?.Days, 90, JSON.stringify(Rules));
    assert.deepEqual(await lifecycleOf(Bucket), [61]);
  });

  test("says what is wrong, and tells no secret", async () => {
    const refused = await setUp(s3.bucket, "--origin", APP, "--secret-access-key", "wrong-secret");
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /s3:PutBucketCORS/);
    const unreachable = await setUp(s3.bucket, "--origin", APP, "--endpoint", "http://127.0.0.1:9");
    assert.equal(unreachable.code, 1);
    assert.match(unreachable.stderr, /127\.0\.0\.1:9 does not answer/);
    const pathological = await setUp(s3.bucket, "--origin", "https://app.example/page");
    assert.equal(pathological.code, 1);
    assert.match(pathological.stderr, /scheme, host and port/);
    for (const { stdout, stderr } of [refused, unreachable, pathological]) {
      for (const secret of ["wrong-secret", s3.secretAccessKey])
        assert.ok(!(stdout + stderr).includes(secret));
    }
  });

  test("sends digests that R2 knows, and says what a storage does not have", async () => {
    const sent = [];
    // SeaweedFS has all of it; others answer 501 to what they have not.
    const lacking = new Set();
    const proxy = createServer((request, response) => {
      sent.push(request);
      const query = new URL(request.url, s3.endpoint).searchParams;
      if ([...lacking].some((name) => query.has(name))) {
        request.resume();
        response.writeHead(501).end("<Error><Code>NotImplemented</Code></Error>");
        return;
      }
      const { method, url, headers } = request;
      const passed = httpRequest(s3.endpoint + url, { method, headers }, (reply) => {
        response.writeHead(reply.statusCode, reply.headers);
        reply.pipe(response);
      });
      passed.on("error", () => response.destroy());
      request.pipe(passed);
    });
    await new Promise((listening) => proxy.listen(0, "127.0.0.1", listening));
    const endpoint = ["--endpoint", `http://127.0.0.1:${proxy.address().port}`];
    try {
      const made = await setUp("digests", "--origin", APP, "--create", "--provider", "r2", ...endpoint);
      assert.equal(made.code, 0, made.stderr);
      assert.match(made.stdout, /^to do by hand: .*wrangler r2 bucket local-uploads enable digests$/m);
      const puts = sent.filter(({ method, url }) => method === "PUT" && /cors|lifecycle/.test(url));
      assert.equal(puts.length, 2);
      for (const { headers } of puts) {
        assert.ok(headers["content-md5"]);
        assert.deepEqual(
          Object.keys(headers).filter((name) => name.includes("checksum")),
          [],
        );
      }

      lacking.add("lifecycle");
      const partly = await setUp("digests", "--origin", APP, ...endpoint);
      assert.equal(partly.code, 0, partly.stderr);
      assert.match(partly.stdout, /^WARNING: this storage has no lifecycle rule/m);
      assert.doesNotMatch(partly.stdout, /local-uploads/);
      lacking.add("cors");
      const hardly = await setUp("digests", "--origin", APP, ...endpoint);
      assert.equal(hardly.code, 1);
      assert.match(hardly.stderr, /MINIO_API_CORS_ALLOW_ORIGIN/);
    } finally {
      proxy.closeAllConnections();
      await new Promise((closed) => proxy.close(closed));
    }
  });

  async function setUp(bucket, ...args) {
    const env = {
      ...process.env,
      S3_ENDPOINT: s3.endpoint,
      S3_BUCKET: bucket,
      S3_ACCESS_KEY_ID: s3.accessKeyId,
      S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
    };
    try {
      return { code: 0, ...(await promisify(execFile)(XTASK, ["bucket-setup", ...args], { env })) };
    } catch (error) {
      if (typeof error.code !== "number") throw error;
      return error;
    }
  }

  async function corsOf(Bucket) {
    return (await s3.client.send(new GetBucketCorsCommand({ Bucket }))).CORSRules;
  }

  /** After how many days each rule ends stale uploads. */
  async function lifecycleOf(Bucket) {
    const { Rules } = await s3.client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    return Rules.map((rule) => rule.AbortIncompleteMultipartUpload?.DaysAfterInitiation).filter(Boolean);
  }

  async function preflight(bucket, origin) {
    const reply = await fetch(`${s3.endpoint}/${bucket}/key`, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "PUT",
        "access-control-request-headers": "x-amz-checksum-crc64nvme",
      },
    });
    return reply.ok && reply.headers.get("access-control-allow-origin") === origin;
  }
});

describe("rules", () => {
  test("a rule of ours is known again where a provider drops its id and sorts its lists", () => {
    const { ID, ...kept } = corsRule(["https://b.example", APP]);
    assert.ok(ID);
    kept.AllowedOrigins = [APP, "https://b.example"];
    kept.ExposeHeaders = kept.ExposeHeaders.map((name) => name.toLowerCase()).toReversed();
    assert.equal(withCorsRule([kept], ["https://b.example", APP]).changed, false);
    assert.equal(withCorsRule([kept], [APP]).changed, true);
  });

  test("another's rule that ends stale uploads of the whole bucket is left to do it", () => {
    // As R2 has it from the start.
    const theirs = {
      ID: "Default Multipart Abort Rule",
      Status: "Enabled",
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
    };
    assert.equal(withAbortRule([theirs], 7).changed, false);
    for (const narrower of [
      { ...theirs, Filter: { Prefix: "logs/" } },
      { ...theirs, Filter: { Tag: { Key: "a", Value: "b" } } },
      { ...theirs, Status: "Disabled" },
    ]) {
      assert.deepEqual(withAbortRule([narrower], 7).rules, [narrower, abortRule(7)]);
    }
  });
});
