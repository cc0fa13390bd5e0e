// `cargo xtask doctor`: a healthy stack has nothing to mend, and each thing that operators get wrong is named with its cure.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer, request as httpRequest } from "node:http";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import {
  CreateBucketCommand,
  DeleteBucketCorsCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutBucketCorsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
} from "@aws-sdk/client-s3";
import { abortRule } from "../../stack/bucket-rules.mjs";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { startProxy } from "../../stack/proxy.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";

const XTASK = process.env.SYNCSPHERE_XTASK ?? "target/debug/xtask";
const APP = "https://app.example";

let s3;
before(async () => (s3 = await startSeaweed()));
after(() => s3?.stop());

test("a healthy stack has nothing to mend, and nothing is left in it", async () => {
  await withCoordinator({ vars: { ALLOWED_ORIGINS: APP } }, async (url) => {
    for (const origin of [url, APP]) {
      const { code, findings } = await doctor("--endpoint", url, "--origin", origin);
      assert.deepEqual(troubles(findings), []);
      assert.equal(code, 0);
      const checks = findings.map(({ check }) => check);
      assert.equal(new Set(checks).size, checks.length, "each check has its own name");
      for (const check of EXPECTED) assert.ok(checks.includes(check), check);
    }

    const token = await guestToken(url);
    const reply = await fetch(`${url}/v1/files`, { headers: { authorization: `Bearer ${token}` } });
    assert.deepEqual((await reply.json()).files, []);
    const { Contents = [] } = await s3.client.send(new ListObjectsV2Command({ Bucket: s3.bucket }));
    assert.deepEqual(Contents, []);
    const { Uploads = [] } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: s3.bucket }));
    assert.deepEqual(Uploads, []);
  });
});

const EXPECTED = [
  ["reachable", "health", "keys", "coordinator-cors", "token", "access", "clock"],
  ["storage-cors", "storage-reachable", "credentials", "storage-clock", "exposed-headers"],
  [
    "complete",
    "download",
    "clean-up",
    "part-size",
    "damaged-part",
    "part-length",
    "missing-part",
    "checksum",
  ],
  ["parts-cors", "parts-complete", "parts-download", "parts-clean-up"],
  ["copy-source", "part-sizes", "profile", "profile-clean-up"],
].flat();

test("people get one line a finding, and neither a token nor a signed URL", async () => {
  await withCoordinator({ s3: { secretAccessKey: "wrong" } }, async (url) => {
    const token = await guestToken(url);
    const { code, stdout, stderr } = await run(["doctor", "--endpoint", url, "--token", token]);
    assert.equal(code, 1);
    assert.match(stdout, /^FAILURE {2}credentials .*To mend it: .*S3_SECRET_ACCESS_KEY/m);
    assert.match(stdout, /\d+ ok, 0 warnings, 2 failures\n$/);
    for (const secret of [token, "X-Amz-", s3.accessKeyId]) assert.ok(!(stdout + stderr).includes(secret));
    for (const line of stdout.trim().split("\n").slice(0, -1)) assert.match(line, /^(ok|warning|FAILURE) /);
  });
});

describe("CORS of the bucket", () => {
  const rules = (rule) =>
    s3.client.send(new PutBucketCorsCommand({ Bucket: s3.bucket, CORSConfiguration: { CORSRules: [rule] } }));
  const whole = {
    AllowedOrigins: ["*"],
    AllowedMethods: ["PUT", "POST", "GET", "HEAD"],
    AllowedHeaders: ["content-md5", "content-type", "if-none-match", "range", "x-amz-checksum-crc64nvme"],
    ExposeHeaders: ["Content-Range", "ETag", "x-amz-checksum-crc64nvme", "x-amz-request-id"],
  };
  let coordinator;
  before(async () => (coordinator = await startCoordinator({ edge: false, s3, assets: false })));
  after(async () => {
    await coordinator?.stop();
    await rules(whole);
  });

  const CASES = {
    "another origin": [
      { ...whole, AllowedOrigins: ["https://other.example"] },
      "failure",
      ["storage-cors", "parts-cors"],
    ],
    "another method": [{ ...whole, AllowedMethods: ["GET"] }, "failure", ["storage-cors", "parts-cors"]],
    "no forms": [{ ...whole, AllowedMethods: ["PUT"] }, "failure", ["storage-cors"]],
    "no checksum header": [{ ...whole, AllowedHeaders: ["content-type"] }, "failure", ["parts-cors"]],
    "ETag not exposed": [{ ...whole, ExposeHeaders: [] }, "warning", ["exposed-headers"]],
  };
  for (const [name, [rule, verdict, checks]] of Object.entries(CASES)) {
    test(`${name} is told`, async () => {
      await rules(rule);
      const { code, findings } = await doctor("--endpoint", coordinator.url);
      const found = troubles(findings);
      assert.deepEqual(
        found.map(({ check }) => check),
        checks,
      );
      for (const trouble of found) {
        assert.equal(trouble.verdict, verdict);
        assert.ok(
          trouble.cure.includes(`cargo xtask bucket-setup --origin ${coordinator.url}`),
          trouble.cure,
        );
      }
      assert.equal(code, verdict === "failure" ? 1 : 0);
      if (name === "ETag not exposed") assert.match(found[0].detail, /ETag/);
    });
  }

  test("none at all is told as far as storage lets pages in by itself", async () => {
    await s3.client.send(new DeleteBucketCorsCommand({ Bucket: s3.bucket }));
    const { findings } = await doctor("--endpoint", coordinator.url);
    // SeaweedFS then lets every page in, and shows it no checksum.
    assert.deepEqual(
      troubles(findings).map(({ check }) => check),
      ["exposed-headers"],
    );
  });
});

describe("a coordinator that is set up wrongly", () => {
  const CASES = {
    "wrong secret": [{ s3: { secretAccessKey: "wrong" } }, "credentials", /S3_SECRET_ACCESS_KEY/],
    "unknown key": [{ s3: { accessKeyId: "unknown" } }, "credentials", /S3_ACCESS_KEY_ID/],
    "wrong bucket": [{ s3: { bucket: "another" } }, "health", /S3_BUCKET/],
    "missing variable": [{ s3: { endpoint: undefined } }, "health", /S3_ENDPOINT/],
    "wrong origin": [
      { vars: { ALLOWED_ORIGINS: `${APP}, b.example` } },
      "health",
      /ALLOWED_ORIGINS/,
      /entry 2:/,
    ],
    "wrong address of storage": [{ s3: { endpoint: "http://127.0.0.1:9" } }, "health", /S3_ENDPOINT/],
    "wrong public address": [
      { s3: { publicEndpoint: "http://127.0.0.1:9" } },
      "storage-reachable",
      /S3_PUBLIC_ENDPOINT/,
    ],
    "no guests and no token": [{ vars: { AUTH_GUEST: "off" } }, "token", /--token/],
  };
  for (const [name, [options, check, cure, told = /./]] of Object.entries(CASES)) {
    test(`${name}: ${check}`, async () => {
      await withCoordinator(options, async (url) => {
        const { code, findings } = await doctor("--endpoint", url);
        assert.equal(code, 1);
        const failure = findings.find((finding) => finding.check === check);
        assert.equal(failure?.verdict, "failure", JSON.stringify(findings));
        assert.match(failure.cure, cure);
        assert.match(failure.detail, told);
      });
    });
  }

  test("pages of an origin that the coordinator does not know", async () => {
    await withCoordinator({}, async (url) => {
      const { code, findings } = await doctor("--endpoint", url, "--origin", APP);
      assert.equal(code, 1);
      const [failure] = troubles(findings);
      assert.equal(failure.check, "coordinator-cors");
      assert.match(failure.cure, /https:\/\/app\.example to ALLOWED_ORIGINS/);
    });
  });

  test("a token that is another's, and one that may only read", async () => {
    await withCoordinator({}, async (url) => {
      const foreign = await doctor("--endpoint", url, "--token", "nonsense");
      assert.equal(troubles(foreign.findings)[0].check, "access");
      const reader = await doctor("--endpoint", url, "--token", await guestToken(url, "files:read"));
      assert.equal(troubles(reader.findings)[0].check, "initiate");
      assert.match(troubles(reader.findings)[0].cure, /files:write/);
    });
  });

  test("no bucket is made where the coordinator's is missing", async () => {
    await withCoordinator({ s3: { bucket: "not-there" } }, (url) => doctor("--endpoint", url));
    const { Buckets } = await s3.client.send(new ListBucketsCommand({}));
    assert.ok(!Buckets.some(({ Name }) => Name === "not-there"));
  });
});

test("what is no coordinator, or nothing at all, is told as such", async () => {
  const storage = await doctor("--endpoint", s3.endpoint);
  assert.equal(storage.code, 1);
  assert.match(troubles(storage.findings)[0].detail, /not as a coordinator/);

  let url;
  await withCoordinator({}, async (was) => (url = was));
  const nothing = await doctor("--endpoint", url);
  assert.equal(nothing.code, 1);
  const [failure, ...others] = troubles(nothing.findings);
  assert.deepEqual(others, []);
  assert.equal(failure.check, "reachable");

  const wrong = await run(["doctor", "--endpoint", "https://user:secret@a.example/path"]);
  assert.equal(wrong.code, 1);
  assert.ok(!wrong.stderr.includes("secret"), wrong.stderr);
});

test("a clock of storage that is wrong is told", async () => {
  for (const [minutes, verdict] of [
    [5, "warning"],
    [-20, "failure"],
  ]) {
    const wrong = await clockedStorage(minutes);
    try {
      await withCoordinator({ s3: { publicEndpoint: wrong.endpoint } }, async (url) => {
        const [trouble, ...others] = troubles((await doctor("--endpoint", url)).findings);
        assert.deepEqual(others, []);
        assert.deepEqual([trouble.check, trouble.verdict], ["storage-clock", verdict]);
        assert.match(trouble.cure, /NTP/);
      });
    } finally {
      await wrong.stop();
    }
  }
});

test("storage that looks at no checksum is told, and one that proves by MD5 is in order", async () => {
  const proxy = await startProxy({ target: s3.endpoint, keys: s3 });
  try {
    proxy.blind = true;
    await withCoordinator({ s3: { endpoint: proxy.endpoint } }, async (url) => {
      const { code, findings } = await doctor("--endpoint", url);
      assert.equal(code, 1);
      const told = Object.fromEntries(troubles(findings).map((trouble) => [trouble.check, trouble]));
      for (const check of ["checksums", "complete", "damaged-part"]) {
        assert.equal(told[check]?.verdict, "failure", check);
        assert.match(told[check].cure, /S3_CHECKSUM/, `${check}: ${told[check].detail}`);
      }
    });
  } finally {
    await proxy.stop();
  }
  // SeaweedFS takes no `Content-MD5` in forms.
  await withCoordinator({ vars: { S3_CHECKSUM: "md5" } }, async (url) => {
    const { findings } = await doctor("--endpoint", url);
    assert.match(troubles(findings)[0].cure, /S3_FORMS to off/);
  });
  await withCoordinator({ vars: { S3_CHECKSUM: "md5", S3_FORMS: "off" } }, async (url) => {
    const { code, findings } = await doctor("--endpoint", url);
    assert.deepEqual(troubles(findings), []);
    assert.equal(code, 0);
  });
});

test("storage that copies by an upload's URL, or takes parts of one size only, is told", async () => {
  const proxy = await startProxy({ target: s3.endpoint });
  // No real one here does either. A copy is the second PUT of a small file; no other part is both second and large.
  proxy.interfere(({ method, partNumber, attempt, contentLength }) => {
    if (method !== "PUT") return undefined;
    if (partNumber === null && attempt === 2) return { kind: "answer", status: 404, code: "NoSuchKey" };
    const isSmaller = partNumber === 2 && contentLength > 1_000_000;
    return isSmaller ? { kind: "answer", status: 400, code: "InvalidPart" } : undefined;
  });
  try {
    const options = { s3: { publicEndpoint: proxy.endpoint }, vars: { S3_FORMS: "off" } };
    await withCoordinator(options, async (url) => {
      const { code, findings } = await doctor("--endpoint", url);
      assert.equal(code, 1);
      const told = troubles(findings).map(({ check, verdict }) => [check, verdict]);
      assert.deepEqual(told, [
        ["copy-source", "failure"],
        ["part-sizes", "failure"],
      ]);
      assert.match(
        findings.find(({ check }) => check === "profile").detail,
        /two sizes: no;.*S3_PROVIDER=r2$/,
      );
    });
  } finally {
    await proxy.stop();
  }
});

test("a bucket that keeps versions is told, and what fits a storage is said", async () => {
  const Bucket = "versions";
  await s3.client.send(new CreateBucketCommand({ Bucket }));
  const VersioningConfiguration = { Status: "Enabled" };
  await s3.client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
  await withCoordinator({ s3: { bucket: Bucket } }, async (url) => {
    const { code, findings } = await doctor("--endpoint", url);
    assert.equal(code, 0);
    const told = troubles(findings).filter(({ check }) => check === "versions");
    assert.match(told[0].cure, /lifecycle rule/);
    const profile = findings.find(({ check }) => check === "profile").detail;
    assert.match(profile, /two sizes: yes; If-None-Match heeded: yes; versions kept: yes/);
    assert.match(profile, /S3_CHECKSUM=crc64nvme S3_FORMS=on S3_CONDITIONAL_WRITES=on$/);
  });
});

test("storage in a local network is named to whoever has pages elsewhere", async () => {
  await withCoordinator({}, async (url) => {
    const warned = async (origin) => {
      const { findings } = await doctor("--endpoint", url, "--origin", origin);
      return findings.filter(({ check }) => check === "local-network").map(({ verdict }) => verdict);
    };
    assert.deepEqual(await warned("https://203.0.113.7"), ["warning"]);
    assert.deepEqual(await warned("http://192.168.1.7"), []);
  });
});

test("with the key the buckets themselves are looked at, each of them, and nothing is left there", async () => {
  const locked = "locked";
  await s3.client.send(new CreateBucketCommand({ Bucket: locked, ObjectLockEnabledForBucket: true }));
  await s3.client.send(
    new PutBucketLifecycleConfigurationCommand({
      Bucket: locked,
      LifecycleConfiguration: { Rules: [abortRule(7)] },
    }),
  );
  const env = {
    S3_ENDPOINT: s3.endpoint,
    S3_BUCKET: s3.bucket,
    S3_BUCKETS: "a=locked,b=absent,c=uploads",
    S3_ACCESS_KEY_ID: s3.accessKeyId,
    S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
  };
  await withCoordinator({}, async (url) => {
    const { code, findings } = await doctor("--endpoint", url, { env });
    assert.equal(code, 1);
    const told = findings.filter(({ check }) => check === "bucket-profile");
    assert.deepEqual(
      told.map(({ verdict, detail }) => [verdict, detail]),
      [
        ["ok", "uploads: UploadPartCopy: yes; versioning: Off; Object Lock: Off"],
        [
          "warning",
          "locked: UploadPartCopy: not tried, for Object Lock would keep what it takes; versioning: Enabled; Object Lock: Enabled",
        ],
        ["failure", "storage does not show the bucket absent: NotFound 404"],
      ],
    );
    const rules = findings.filter(({ check }) => check === "bucket-lifecycle");
    assert.deepEqual(
      rules.map(({ verdict, detail }) => [verdict, detail]),
      [["warning", `locked: storage ends multipart uploads after 7 days, the coordinator after up to 60`]],
    );
    const without = await doctor("--endpoint", url);
    assert.equal(without.code, 0);
    const [said] = without.findings.filter(({ check }) => check === "bucket-profile");
    assert.match(said.detail, /^not looked at: .*S3_SECRET_ACCESS_KEY/);
  });
  const { Contents = [] } = await s3.client.send(new ListObjectsV2Command({ Bucket: s3.bucket }));
  assert.deepEqual(Contents, []);
  const { Uploads = [] } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: s3.bucket }));
  assert.deepEqual(Uploads, []);
});

/** Storage whose `Date` is off by so many minutes: the machine has but one clock. */
async function clockedStorage(minutes) {
  const server = createServer((request, response) => {
    const { method, url: path, headers } = request;
    const passed = httpRequest(s3.endpoint + path, { method, headers }, (reply) => {
      const date = new Date(Date.now() + minutes * 60_000).toUTCString();
      response.writeHead(reply.statusCode, { ...reply.headers, date });
      reply.pipe(response);
    });
    passed.on("error", () => response.destroy());
    request.pipe(passed);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    endpoint: `http://127.0.0.1:${server.address().port}`,
    stop: () => {
      server.closeAllConnections();
      return new Promise((closed) => server.close(closed));
    },
  };
}

async function withCoordinator({ s3: changes = {}, vars }, use) {
  const coordinator = await startCoordinator({ edge: false, s3: { ...s3, ...changes }, vars, assets: false });
  try {
    await use(coordinator.url);
  } finally {
    await coordinator.stop();
  }
}

async function guestToken(url, scope = "files:read files:write") {
  const body = new URLSearchParams({
    grant_type: "urn:syncsphere:guest",
    workspace: "syncsphere-doctor",
    scope,
  });
  const reply = await fetch(`${url}/v1/auth/token`, { method: "POST", body });
  return (await reply.json()).access_token;
}

function troubles(findings) {
  return findings.filter(({ verdict }) => verdict !== "ok");
}

/** Runs it with these arguments; an object at their end has variables of the environment. */
async function doctor(...args) {
  const { env = {} } = typeof args.at(-1) === "object" ? args.pop() : {};
  const { code, stdout, stderr } = await run(["doctor", "--json", ...args], env);
  assert.ok(stdout, stderr);
  const { healthy, findings } = JSON.parse(stdout);
  assert.equal(healthy, code === 0);
  for (const { verdict, cure } of findings) assert.equal(verdict === "ok", cure === undefined);
  return { code, findings };
}

async function run(args, more) {
  const env = { ...process.env, ...more };
  delete env.SYNCSPHERE_TOKEN;
  try {
    return { code: 0, ...(await promisify(execFile)(XTASK, args, { env })) };
  } catch (error) {
    if (typeof error.code !== "number") throw error;
    return error;
  }
}
