import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";
import { Client, PART, assertProblem, noise, useStack } from "./support.mjs";

const SECRET = "c2VjcmV0IHNlZWQgb2YgMzIgYnl0ZXMgIDAwMDAwMDA=";

describe("a variable that is missing or wrong", () => {
  const good = {
    endpoint: "http://127.0.0.1:9",
    accessKeyId: "id-that-is-secret",
    secretAccessKey: "key-that-is-secret",
    bucket: "uploads",
    region: "us-east-1",
  };
  const CASES = {
    S3_ENDPOINT: [undefined, "nonsense", "ftp://a.test", "http://a.test/a//path", "http://user:pass@a.test"],
    S3_PUBLIC_ENDPOINT: ["nonsense", "https://a.example,", "https://a.example,nonsense"],
    S3_BUCKET: [undefined, "a/b"],
    S3_BUCKETS: ["nonsense", "w-*=a/b"],
    S3_ADDRESSING: ["sideways"],
    S3_FORMS: ["yes"],
    S3_CHECKSUM: ["sha256"],
    S3_SESSION_TOKEN: ["two words"],
    S3_PREFIX: ["../elsewhere", "{name}"],
    S3_KEY_TEMPLATE: ["{workspace}/{name}", "{fileId}/{key}"],
    S3_OBJECT_HEADERS: ["x-amz-acl: private", '{"content-length":"1"}'],
    DOWNLOAD_TTL_SECONDS: ["604801"],
    S3_PROVIDER: ["other"],
    S3_ACCESS_KEY_ID: [undefined],
    S3_SECRET_ACCESS_KEY: [undefined, ""],
    URL_TTL_SECONDS: ["0", "604801", "soon"],
    UPLOAD_TTL_SECONDS: ["-1"],
    CHANGES_TTL_SECONDS: ["0", "month"],
    VERSIONS_KEEP: ["0", "all", "10001"],
    VERSIONS_MAX_AGE_DAYS: ["0", "1.5", "36526"],
    ORPHAN_UPLOADS: ["delete"],
    ORPHAN_AGE_SECONDS: ["0"],
    STRAY_UPLOADS: ["delete"],
    STRAY_AGE_SECONDS: ["0"],
    MAX_FILE_SIZE: ["1e9"],
    ALLOWED_ORIGINS: ["*", "https://a.test/", "a.test", "https://*.test"],
    AUTH_SIGNING_KEY: [undefined, "short", `${SECRET},short`],
    AUTH_TOKEN_TTL_SECONDS: ["0"],
    AUTH_GUEST: ["yes"],
    AUTH_CLIENTS: ["[{}]", "backend:passwd"],
    AUTH_ISSUERS: [
      "https://id.test",
      '[{"issuer":"https://id.test","audience":"a","algorithm":"RS256","jwksUrl":"http://id.test/jwks"}]',
      '[{"issuer":"a","audience":"a","algorithm":"HS256","secretVariable":"AUTH_ISSUER_SECRET_MISSING"}]',
    ],
    WEBHOOKS: [
      "https://hooks.test",
      `[{"name":"a","url":"https://10.0.0.1/","secret":"whsec_${"A".repeat(32)}"}]`,
      '[{"name":"a","url":"https://hooks.test/","secret":"short"}]',
    ],
    WEBHOOK_LOOPBACK: ["yes"],
  };
  for (const [variable, values] of Object.entries(CASES)) {
    test(`${variable} is named at the first request, and no value is told`, async () => {
      for (const value of values) {
        const coordinator = await startCoordinator({
          s3: good,
          vars: { AUTH_SIGNING_KEY: SECRET, [variable]: value },
          assets: false,
        });
        try {
          for (const path of ["/v1/files", "/healthz"]) {
            const response = await fetch(coordinator.url + path);
            const problem = await assertProblem(response, "internal");
            assert.equal(problem.status, 500);
            assert.ok(problem.detail.includes(`variable ${variable} `), problem.detail);
            const told = JSON.stringify(problem) + JSON.stringify(coordinator.logs);
            for (const secret of [value, SECRET, good.accessKeyId, good.secretAccessKey]) {
              if (secret?.length > 4) assert.ok(!told.includes(secret), told);
            }
          }
        } finally {
          await coordinator.stop();
        }
      }
    });
  }
});

describe("wrong credentials for storage", () => {
  const stack = useStack({ s3Vars: () => ({ secretAccessKey: "wrong-secret" }) });

  test("are the operator's fault and nobody's business", async () => {
    const client = await stack.guest();
    const health = await assertProblem(await client.send("GET", "/healthz"), "internal");
    assert.match(health.detail, /storage refuses the coordinator/);
    const body = { files: [{ clientRef: "f", name: "f", size: 100_000_000 }] };
    const problem = await client.refused("storage_refused", "POST", "/v1/uploads", { body });
    assert.match(problem.detail, /SignatureDoesNotMatch$/);
    const logged = stack.coordinator.logs.map(({ message }) => message).join("\n");
    assert.match(logged, new RegExp(problem.requestId));
    assert.match(logged, /403/);
    assert.ok(!logged.includes("wrong-secret"));
  });
});

describe("a bucket that is not there", () => {
  const stack = useStack({ s3Vars: () => ({ bucket: "not-there" }) });

  test("is named by its variable", async () => {
    const problem = await assertProblem(await fetch(`${stack.url}/healthz`), "internal");
    assert.equal(problem.detail, "the variable S3_BUCKET names a bucket that storage does not have");
  });
});

describe("pages of other origins", () => {
  const allowed =
    "https://APP.test:443, https://other.test:8443,capacitor://localhost,tauri://localhost,https://*.preview.test";
  const stack = useStack({ vars: { ALLOWED_ORIGINS: allowed } });

  test("that are allowed may ask and read", async () => {
    for (const origin of [
      "https://app.test",
      "https://other.test:8443",
      "capacitor://localhost",
      "tauri://localhost",
      "https://branch-7.preview.test",
    ]) {
      const preflight = await fetch(`${stack.url}/v1/uploads`, {
        method: "OPTIONS",
        headers: {
          origin,
          "access-control-request-method": "POST",
          "access-control-request-headers": "authorization,content-type,idempotency-key",
        },
      });
      assert.equal(preflight.status, 204);
      assert.equal(preflight.headers.get("access-control-allow-origin"), origin);
      assert.match(preflight.headers.get("access-control-allow-methods"), /POST/);
      assert.match(preflight.headers.get("access-control-allow-methods"), /DELETE/);
      for (const header of ["authorization", "content-type", "idempotency-key"]) {
        assert.ok(preflight.headers.get("access-control-allow-headers").includes(header));
      }
      assert.equal(preflight.headers.get("access-control-max-age"), "7200");
      const refused = await fetch(`${stack.url}/v1/files`, { headers: { origin } });
      assert.equal(refused.status, 401);
      assert.equal(refused.headers.get("access-control-allow-origin"), origin);
      assert.match(refused.headers.get("access-control-expose-headers"), /retry-after/);
      assert.match(refused.headers.get("vary"), /origin/i);
    }
  });

  test("that are not allowed may not, however near they come", async () => {
    for (const origin of [
      "https://evil.test",
      "http://app.test",
      "https://app.test.evil.test",
      "https://preview.test",
      "https://evilpreview.test",
      "http://branch-7.preview.test",
      "https://app.test:443",
      "https://APP.test",
      "null",
    ]) {
      for (const method of ["OPTIONS", "GET"]) {
        const response = await fetch(`${stack.url}/v1/files`, { method, headers: { origin } });
        assert.equal(response.headers.get("access-control-allow-origin"), null, origin);
      }
    }
  });
});

describe("limits and switches", () => {
  let s3, coordinator;
  before(async () => {
    s3 = await startSeaweed();
    coordinator = await startCoordinator({
      s3,
      vars: { MAX_FILE_SIZE: "1000", AUTH_GUEST: "on", URL_TTL_SECONDS: "30", S3_FORMS: "off" },
      assets: false,
    });
  });
  after(async () => {
    await coordinator.stop();
    await s3.stop();
  });

  test("MAX_FILE_SIZE and URL_TTL_SECONDS hold", async () => {
    const client = await Client.guest(coordinator.url, "limits");
    const results = await client.initiate([
      { clientRef: "a", name: "a", size: 1000, parts: [{ partNumber: 1 }] },
      { clientRef: "b", name: "b", size: 1001 },
    ]);
    assert.ok([29, 30].includes(results[0].urls[0].expiresIn));
    assert.match(results[0].urls[0].url, /X-Amz-Expires=30&/);
    assert.equal(results[1].error.code, "file_too_large");
    assert.match(results[1].error.requestId, /^[0-9a-f]{16}$/);
  });

  test("guests are kept out unless AUTH_GUEST is on", async () => {
    const closed = await startCoordinator({ s3, vars: { AUTH_GUEST: undefined }, assets: false });
    try {
      const response = await fetch(`${closed.url}/v1/auth/token`, {
        method: "POST",
        body: new URLSearchParams({ grant_type: "urn:syncsphere:guest" }),
      });
      assert.equal(response.status, 400);
      assert.equal((await response.json()).error, "unauthorized_client");
    } finally {
      await closed.stop();
    }
  });

  test("the addresses of S3_PUBLIC_ENDPOINT take turns, each signed for itself", async () => {
    const names = [s3.endpoint, s3.endpoint.replace("127.0.0.1", "localhost")];
    const open = await startCoordinator({
      s3: { ...s3, publicEndpoint: names.join(", ") },
      vars: { S3_FORMS: "off" },
      assets: false,
    });
    try {
      const client = await Client.guest(open.url, "turns");
      const bytes = noise(4 * PART);
      const grant = await client.open(bytes, { partSize: PART });
      const urls = await client.sign(
        grant,
        [1, 2, 3, 4].map((partNumber) => ({ partNumber })),
      );
      const turns = urls.map(({ url }) => names.indexOf(new URL(url).origin));
      assert.deepEqual(turns.toSorted(), [0, 0, 1, 1]);
      assert.notEqual(turns[0], turns[1]);
      await client.sendParts(grant, bytes);
      assert.equal((await client.complete(grant)).status, "available");
      for (let size = 0; size < 8; size++) await client.upload(noise(size));
    } finally {
      await open.stop();
    }
  });

  test("browsers get URLs of S3_PUBLIC_ENDPOINT, signed for it", async () => {
    // The same storage under its other name.
    const publicEndpoint = s3.endpoint.replace("127.0.0.1", "localhost");
    const open = await startCoordinator({
      s3: { ...s3, publicEndpoint },
      vars: { S3_FORMS: "off" },
      assets: false,
    });
    try {
      const client = await Client.guest(open.url, "public");
      const file = await client.upload(noise(5));
      const response = await client.send("GET", `/v1/files/${file.fileId}/content`);
      const url = response.headers.get("location");
      assert.ok(url.startsWith(publicEndpoint), "the link is the public one");
      assert.equal((await fetch(url)).status, 200);
    } finally {
      await open.stop();
    }
  });
});
