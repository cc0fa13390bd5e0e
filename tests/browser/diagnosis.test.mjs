// Buckets, policies, clocks and keys that are set up wrong: the page is told what it is, and soon.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { PutBucketCorsCommand } from "@aws-sdk/client-s3";
import test, { beforeEach } from "node:test";
import { corsRule } from "../../stack/bucket-rules.mjs";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { PATIENCE, until, useStack } from "./harness.mjs";
import { equip } from "./package-page.mjs";

const stack = useStack();

beforeEach(() => stack.proxy.behave());

// Source: docs/errors.md, two looks that are two seconds apart or more; the rest is for a slow machine.
const SOON = 45_000;

for (const [what, spoil] of [
  ["lack the page's origin", { AllowedOrigins: ["https://elsewhere.test"] }],
  ["lack the methods", { AllowedMethods: ["GET", "HEAD"] }],
]) {
  test(`CORS rules that ${what} are named, and end uploads soon`, async (t) => {
    await setCors(t, { ...corsRule(["*"]), ...spoil });
    const page = await openPage(t);
    const ends = await page.evaluate(() => ends({ sizes: [11 * 1024 * 1024, 3] }));
    for (const end of ends) assert.deepEqual(end.error, ["storage_unreachable", "cors_missing", true]);
    assert.ok(ends[0].ms < SOON, `after ${ends[0].ms} ms`);
    assert.match(ends[0].lines, /^storage: cors_missing, see docs\/errors\.md#cors_missing$/m);
    assert.match(ends[0].lines, /^upload failed: storage_unreachable: .*CORS.*#cors_missing$/m);
    silentAboutSecrets(ends[0].lines);
  });
}

test("CORS rules that lack the checksum's header are named, and stop only what needs it", async (t) => {
  await setCors(t, { ...corsRule(["*"]), AllowedHeaders: ["content-type"] });
  const page = await openPage(t);
  const [inParts, asForm] = await page.evaluate(() => ends({ sizes: [11 * 1024 * 1024, 3] }));
  assert.deepEqual(inParts.error, ["storage_unreachable", "cors_missing", true]);
  assert.ok(inParts.ms < SOON, `after ${inParts.ms} ms`);
  assert.equal(asForm.status, "available");
});

test("a proxy that keeps the answers' CORS headers to itself is named, and what was begun is continued", async (t) => {
  const page = await openPage(t);
  stack.proxy.interfere(() => ({ kind: "hide", headers: ["access-control-allow-origin"] }));
  const [end] = await page.evaluate(() => ends({ sizes: [11 * 1024 * 1024] }));
  assert.deepEqual(end.error, ["storage_unreachable", "cors_missing", true]);

  stack.proxy.behave();
  const status = await page.evaluate(async () => {
    const uploader = await makeUploader();
    const [{ uploadId }] = await uploader.interrupted();
    const task = await uploader.continue(uploadId, theFile);
    const { status } = await task.done;
    await uploader.close();
    return status;
  });
  assert.equal(status, "available");
});

test("a bucket that exposes no header stops nothing", async (t) => {
  await setCors(t, { ...corsRule(["*"]), ExposeHeaders: [] });
  const page = await openPage(t);
  const ends = await page.evaluate(() => ends({ sizes: [11 * 1024 * 1024, 3] }));
  assert.deepEqual(
    ends.map(({ status }) => status),
    ["available", "available"],
  );
  const told = ends[0].lines.split("\n").filter((line) => line.includes("ETag"));
  assert.equal(told.length, 1, ends[0].lines);
});

test("a policy that leaves storage out is named, and ends uploads soon", async (t) => {
  const page = await openPage(t, {
    policy: `default-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; connect-src 'self' ws:`,
  });
  const [end] = await page.evaluate(() => ends({ sizes: [3] }));
  assert.deepEqual(end.error, ["storage_unreachable", "csp_blocked", true]);
  assert.ok(end.ms < SOON, `after ${end.ms} ms`);
  assert.match(end.lines, /^upload failed: .*#csp_blocked$/m);
});

test("a policy that is only reported stops nothing and is not blamed", async (t) => {
  const page = await openPage(t, {
    policy: "connect-src 'self'",
    header: "content-security-policy-report-only",
  });
  const [end] = await page.evaluate(() => ends({ sizes: [3] }));
  assert.equal(end.status, "available");
});

test("storage that nobody reaches is told early, and waited for", async (t) => {
  const page = await openPage(t);
  const resume = await halt(t, stack.proxy);
  await page.evaluate(() => {
    globalThis.lines = [];
    globalThis.ending = ends({ sizes: [3], lines });
  });
  await until(
    () => page.evaluate(() => lines.join("\n").includes("storage: unreachable")),
    "it is told",
    SOON,
  );
  await resume();
  const [end] = await page.evaluate(() => ending);
  assert.equal(end.status, "available");
  assert.ok(end.states.includes("offline"));
});

for (const [state, line] of [
  ["denied", "storage: local_network_blocked"],
  ["prompt", "docs/errors.md#unreachable (in a local network: #local_network_blocked)"],
]) {
  test(`a local network that the page may not enter (${state}) is named, and waited for`, async (t) => {
    const page = await openPage(t);
    const resume = await halt(t, stack.proxy);
    // A page of this machine is never asked, so its browser is made to answer as others' do.
    const answer = (state) => {
      const { query } = Permissions.prototype;
      Permissions.prototype.query = async function (asked) {
        const status = await query.call(this, asked);
        return asked.name === "local-network" ? { state } : status;
      };
    };
    page.on("worker", (worker) => void worker.evaluate(answer, state));
    await page.evaluate(() => {
      globalThis.lines = [];
      globalThis.ending = ends({ sizes: [3], lines });
    });
    const told = () => page.evaluate((line) => lines.join("\n").includes(line), line);
    await until(told, "it is told", SOON);
    await resume();
    const [end] = await page.evaluate(() => ending);
    assert.equal(end.status, "available");
  });
}

test("a load balancer that answers for a storage that is down is an outage, and waited out", async (t) => {
  const page = await openPage(t);
  const resume = await halt(t, stack.s3);
  stack.proxy.interfere(() => ({ kind: "answer", status: 503, cors: false }));
  await page.evaluate(() => {
    globalThis.lines = [];
    globalThis.ending = ends({ sizes: [3], lines });
  });
  // The examinations, by which a wrong set-up would have ended it.
  const looks = () => stack.proxy.requests.filter(({ method }) => method === "HEAD").length;
  await until(() => looks() >= 2, "storage was examined twice", SOON);
  stack.proxy.behave();
  await resume();
  const [end] = await page.evaluate(() => ending);
  assert.equal(end.status, "available");
  assert.ok(!end.lines.includes("storage: "), end.lines);
});

test("a limit to bodies on the way is named with what passes, ends what cannot get through, and nothing else", async (t) => {
  const page = await openPage(t);
  limitBodies(2 ** 20);
  const sizes = [11 * 2 ** 20, 100_000, 3];
  const [large, ...small] = await page.evaluate((sizes) => ends({ sizes, retry: PATIENT }), sizes);
  assert.deepEqual(large.error, ["storage_unreachable", "body_too_large", true]);
  assert.ok(large.ms < SOON, `after ${large.ms} ms`);
  assert.match(
    large.lines,
    /^storage: body_too_large, 5242880 bytes do not pass, 655360 do, see docs\/errors\.md#/m,
  );
  for (const { status } of small) assert.equal(status, "available");
});

test("where a limit to bodies lets smaller parts pass, files go in such", async (t) => {
  const page = await openPage(t);
  limitBodies(8 * 2 ** 20);
  const sizes = [15 * 2 ** 20, 14 * 2 ** 20];
  const partSize = 10 * 2 ** 20;
  const both = await page.evaluate((options) => ends({ ...options, retry: PATIENT }), { sizes, partSize });
  assert.deepEqual(
    both.map(({ status, error }) => status ?? error),
    ["available", "available"],
  );
  assert.ok(both[0].ms < SOON, `after ${both[0].ms} ms`);
  assert.ok(
    stack.proxy.requests.some(({ contentLength, status }) => contentLength > 8 * 2 ** 20 && status !== 200),
  );
});

for (const [where, variables] of [
  ["", ["S3_ENDPOINT", "S3_PUBLIC_ENDPOINT"]],
  [" where only browsers ask", ["S3_PUBLIC_ENDPOINT"]],
]) {
  test(`a bucket in another region${where}, whose answers no page may read, is named by the coordinator's health`, async (t) => {
    // As AWS answers: a page gets no CORS headers, and HEAD no code.
    const elsewhere = createServer((incoming, outgoing) => {
      incoming.resume();
      const { method } = incoming;
      outgoing.writeHead(method === "OPTIONS" ? 403 : 301, { "x-amz-bucket-region": "eu-central-1" });
      outgoing.end(method === "HEAD" ? "" : "<Error><Code>PermanentRedirect</Code></Error>");
    });
    elsewhere.listen(0, "127.0.0.1");
    await once(elsewhere, "listening");
    t.after(() => {
      elsewhere.close();
      elsewhere.closeAllConnections();
    });
    const endpoint = `http://127.0.0.1:${elsewhere.address().port}`;
    const { url } = await anotherCoordinator(
      t,
      Object.fromEntries(variables.map((name) => [name, endpoint])),
    );
    const page = await openPage(t, { url });
    const [end] = await page.evaluate(() => ends({ sizes: [3] }));
    assert.deepEqual(end.error, ["storage_unreachable", "wrong_region", true], end.lines);
    assert.ok(end.ms < SOON, `after ${end.ms} ms`);
    assert.match(end.lines, /^storage: wrong_region, see docs\/errors\.md#wrong_region$/m);
  });
}

for (const [status, code, reason] of [
  [400, "AuthorizationHeaderMalformed", "wrong_region"],
  [301, "PermanentRedirect", "wrong_region"],
  [403, "RequestTimeTooSkewed", "clock_skewed"],
  [404, "NoSuchBucket", "bucket_missing"],
  [403, "AccessDenied", "access_denied"],
]) {
  test(`storage's answer ${code} is named`, async (t) => {
    const page = await openPage(t);
    stack.proxy.interfere(() => ({ kind: "answer", status, code }));
    const [end] = await page.evaluate(() => ends({ sizes: [3], retry: { baseDelay: 10, maxAttempts: 3 } }));
    assert.deepEqual(end.error.slice(0, 2), ["storage_refused", reason]);
    assert.ok(end.message.endsWith(`: ${code}`), end.message);
    assert.match(end.lines, new RegExp(`^upload failed: storage_refused: .*#${reason}$`, "m"));
  });
}

for (const [what, vars, reason] of [
  ["a secret that is wrong", { S3_SECRET_ACCESS_KEY: "wrong" }, "signature_mismatch"],
  ["a key that storage does not know", { S3_ACCESS_KEY_ID: "unknown" }, "key_unknown"],
  // To storage, a URL that is over when it comes looks as one of a clock that is behind.
  ["a clock that is behind", { URL_TTL_SECONDS: "3" }, "clock_skewed"],
]) {
  test(`${what} is named by real storage's answer`, async (t) => {
    const { url } = await anotherCoordinator(t, { S3_FORMS: "off", ...vars });
    const page = await openPage(t, { url });
    if (reason === "clock_skewed") stack.proxy.shape({ delayMs: 2500 });
    const [end] = await page.evaluate(() => ends({ sizes: [3], retry: { baseDelay: 10, maxAttempts: 2 } }));
    assert.deepEqual(end.error.slice(0, 2), ["storage_refused", reason], end.message);
  });
}

test("a coordinator that storage refuses is told early", async (t) => {
  const { url } = await anotherCoordinator(t, { S3_SECRET_ACCESS_KEY: "wrong" });
  const page = await openPage(t, { url });
  await page.evaluate(() => {
    globalThis.lines = [];
    void ends({ sizes: [11 * 1024 * 1024], lines });
  });
  const told = await until(() => page.evaluate(() => lines.join("\n")), "something is told", SOON);
  assert.match(told, /^upload failed: storage_refused: .*SignatureDoesNotMatch \(HTTP 424, request [\w-]+\)/);
  silentAboutSecrets(told);
});

/** The demo page with `ends(…)` in it, which uploads and tells how that ended. */
async function openPage(t, { url = stack.url, policy, header = "content-security-policy" } = {}) {
  const context = await stack.browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const site = policy ? await siteWithPolicy(t, url, { [header]: policy }) : url;
  await page.goto(`${site}/?workspace=${stack.workspace()}`);
  await equip(page);
  await page.evaluate(() => {
    globalThis.PATIENT = { outagePatience: 3_600_000 };
    globalThis.ends = async ({ sizes, lines = [], retry, ...options }) => {
      const keep = (line) => lines.push(line);
      const logger = { debug: keep, warn: keep };
      // An hour of patience would outlast the test that is to see it fail.
      retry = { outagePatience: 60_000, ...retry };
      const uploader = await makeUploader({ logger, retry, ...options });
      const began = performance.now();
      const files = sizes.map((size) => new File([new Uint8Array(size).fill(7)], `secret-${size}.bin`));
      globalThis.theFile = files[0];
      const tasks = uploader.uploadAll(files);
      const states = [];
      for (const task of tasks)
        task.addEventListener("statechange", ({ detail }) => states.push(detail.state));
      const ends = await Promise.allSettled(tasks.map(({ done }) => done));
      const ms = performance.now() - began;
      await uploader.close();
      return ends.map(({ value, reason: error }) => ({
        status: value?.status,
        error: error && [error.code, error.reason, error.retryable],
        message: error?.message,
        lines: lines.join("\n"),
        states,
        ms,
      }));
    };
  });
  return page;
}

/** As an ingress does. */
function limitBodies(bytes) {
  stack.proxy.interfere(({ contentLength }) => (contentLength > bytes ? { kind: "too-large" } : undefined));
}

async function anotherCoordinator(t, vars) {
  const { endpoint, accessKeyId, secretAccessKey, bucket, region } = stack.s3;
  const coordinator = await startCoordinator({
    s3: { endpoint, publicEndpoint: stack.proxy.endpoint, accessKeyId, secretAccessKey, bucket, region },
    assets: stack.site,
    vars,
  });
  t.after(() => coordinator.stop());
  return { url: coordinator.url.replace("127.0.0.1", "localhost") };
}

/** The coordinator and its pages, where the worker's script comes with a policy. */
async function siteWithPolicy(t, url, policy) {
  const server = createServer((incoming, outgoing) => {
    const { method, headers } = incoming;
    const onward = request(new URL(incoming.url, url), { method, headers }, (reply) => {
      const isWorker = incoming.url === "/uploader/worker.js";
      outgoing.writeHead(reply.statusCode, { ...reply.headers, ...(isWorker && policy) });
      reply.pipe(outgoing);
    });
    onward.on("error", () => outgoing.destroy()); // the browser hung up
    incoming.pipe(onward);
  });
  server.listen(0, "localhost");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://localhost:${server.address().port}`;
}

/** Sets the bucket's CORS rule for one test. */
async function setCors(t, rule) {
  const set = async (rule) => {
    const CORSConfiguration = { CORSRules: [rule] };
    await stack.s3.client.send(new PutBucketCorsCommand({ Bucket: stack.s3.bucket, CORSConfiguration }));
  };
  t.after(() => set(corsRule(["*"])));
  await set(rule);
}

function silentAboutSecrets(lines) {
  for (const secret of ["secret-", "http://", "X-Amz", "eyJ"]) assert.ok(!lines.includes(secret), lines);
}

/** Halts a server; gives what lets it go on, at the latest when the test ends. */
async function halt(t, server) {
  await server.halt();
  let halted = true;
  const resume = async () => {
    if (halted) await server.resume();
    halted = false;
  };
  t.after(resume);
  return resume;
}
