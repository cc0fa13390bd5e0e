import assert from "node:assert/strict";
import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";
import { PART, assertProblem, eventually, noise, requestToken, useStack } from "./support.mjs";

const APP = "https://app.test";

describe("every reply", () => {
  const stack = useStack({ vars: { ALLOWED_ORIGINS: APP } });

  test("tells browsers to keep nothing, guess nothing, show nothing and come by HTTPS", async () => {
    const client = await stack.guest();
    const file = await client.upload(noise(1));
    const replies = [
      await client.send("GET", "/v1/files"),
      await client.send("GET", `/v1/files/${file.fileId}/content`),
      await client.send("GET", "/v1/files", { token: null }),
      await client.send("GET", "/healthz"),
      await client.send("GET", "/nowhere"),
      await client.send("OPTIONS", "/v1/uploads"),
      await requestToken(stack.url, {}),
    ];
    for (const { headers } of replies) {
      assert.equal(headers.get("cache-control"), "no-store");
      assert.equal(headers.get("x-content-type-options"), "nosniff");
      assert.equal(headers.get("referrer-policy"), "no-referrer");
      assert.match(headers.get("strict-transport-security"), /^max-age=\d{8}$/);
      assert.match(headers.get("content-security-policy"), /default-src 'none'; frame-ancestors 'none'/);
    }
  });

  test("says how long it took, and the log has one line of it", async () => {
    const client = await stack.guest();
    const name = `secret-name-${randomUUID()}`;
    const grant = await client.open(noise(PART + 1), { name, partSize: PART });
    const cases = [
      ["GET", `/v1/uploads/${grant.uploadId}`, "/v1/uploads/{uploadId}", 200, 1, 1],
      ["GET", "/v1/files?limit=3", "/v1/files", 200, 0, 1],
      ["GET", "/v1/nothing?token=secret", "", 404, 0, 0],
      ["DELETE", `/v1/files/${grant.fileId}`, "/v1/files/{fileId}", 409, 0, 1],
    ];
    for (const [method, path, route, status, storageCalls, ledgerCalls] of cases) {
      const response = await client.send(method, path);
      const timing = response.headers.get("server-timing");
      assert.match(
        timing,
        new RegExp(`^total;dur=\\d+, storage;dur=\\d+;desc="${storageCalls} calls", ledger;dur=`),
      );
      const requestId = response.headers.get("x-request-id");
      const said = () => stack.coordinator.logs.filter(({ message }) => message.includes(requestId));
      await eventually(() => said().length > 0, "a line of the log");
      const lines = said();
      assert.equal(lines.length, 1);
      const { durationMs, ...line } = JSON.parse(lines[0].message);
      assert.ok(durationMs >= 0);
      const workspace = route && { workspace: client.workspace };
      assert.deepEqual(line, { requestId, method, route, status, ...workspace, storageCalls, ledgerCalls });
    }
    const told = stack.coordinator.logs.map(({ message }) => message).join("\n");
    for (const secret of [name, client.token, grant.ticket, "token=secret", grant.uploadId, "127.0.0.1"]) {
      assert.ok(!told.includes(secret), secret);
    }
  });

  test("to a WebSocket depends on the page that opens it", async () => {
    const client = await stack.guest();
    const upgrade = (origin) =>
      stack.coordinator.runtime.dispatchFetch(`${stack.url}/v1/events`, {
        headers: {
          upgrade: "websocket",
          "sec-websocket-protocol": `syncsphere.v1, bearer.${client.token}`,
          ...(origin && { origin }),
        },
      });
    for (const origin of [undefined, stack.url, APP]) {
      const response = await upgrade(origin);
      assert.equal(response.status, 101, origin);
      response.webSocket.accept();
      response.webSocket.close();
    }
    for (const origin of [
      "https://evil.test",
      `${APP}.evil.test`,
      "null",
      `${stack.url}0`,
      APP.slice(0, -1),
    ]) {
      await assertProblem(await upgrade(origin), "forbidden");
    }
  });
});

describe("rate limits", () => {
  const LIMIT = 5;
  const SECRET = randomBytes(24).toString("hex");
  let s3, coordinator;

  before(async () => {
    s3 = await startSeaweed();
    coordinator = await startCoordinator({
      s3,
      assets: false,
      vars: {
        ALLOWED_ORIGINS: APP,
        AUTH_ISSUER_SECRET_TEST: SECRET,
        AUTH_ISSUERS: JSON.stringify([
          { issuer: "test", audience: "a", algorithm: "HS256", secretVariable: "AUTH_ISSUER_SECRET_TEST" },
        ]),
      },
      adjust: (options) => ({
        ...options,
        ratelimits: Object.fromEntries(
          [
            ["LIMIT_BY_ADDRESS", 4 * LIMIT],
            ["LIMIT_BY_SUBJECT", LIMIT],
            ["LIMIT_GRANTS_BY_ADDRESS", LIMIT],
          ].map(([name, limit], index) => [
            name,
            { namespace_id: `${index + 1}`, simple: { limit, period: 60 } },
          ]),
        ),
      }),
    });
  });
  after(async () => {
    await coordinator?.stop();
    await s3?.stop();
  });

  const from = (address, path, options = {}) =>
    coordinator.runtime.dispatchFetch(coordinator.url + path, {
      ...options,
      headers: { "cf-connecting-ip": address, ...options.headers },
    });

  /** Asks until it is turned away, and gives how often it was let in. */
  async function letIn(ask, most = 10 * LIMIT) {
    for (let count = 0; count < most; count++) {
      const response = await ask();
      if (response.status === 429) {
        const retryAfter = Number(response.headers.get("retry-after"));
        const problem = await assertProblem(response, "rate_limited");
        assert.equal(problem.retryAfter, retryAfter);
        assert.ok(retryAfter >= 1);
        return count;
      }
      await response.body?.cancel();
    }
    return most;
  }

  test("hold each subject to its share, whatever tokens it has, and pages may read the refusal", async () => {
    let address = 0;
    const asks = (token) =>
      from(`198.51.100.${++address}`, "/v1/files", {
        headers: { authorization: `Bearer ${token}`, origin: APP },
      });
    for (const sub of ["ann", "bob"]) {
      // Whoever forges tokens takes nothing away from whom they name.
      for (let count = 0; count < 2 * LIMIT; count++) {
        assert.equal((await asks(token(sub, "w1", "another secret"))).status, 401);
      }
      assert.equal(await letIn(() => asks(token(sub, "w1"))), LIMIT);
      const refused = await asks(token(sub, "w1"));
      assert.equal(refused.status, 429);
      assert.equal(refused.headers.get("access-control-allow-origin"), APP);
      assert.equal(
        (await asks(token(sub, "w2"))).status,
        200,
        "in another workspace they are another subject",
      );
    }
  });

  test("hold each address to its share, an IPv6 network counting as one", async () => {
    assert.equal(await letIn(() => from("203.0.113.9", "/healthz")), 4 * LIMIT);
    let host = 0;
    const anywhere = () => from(`2001:db8:1:2::${(++host).toString(16)}`, "/.well-known/jwks.json");
    assert.equal(await letIn(anywhere), 4 * LIMIT);
    assert.equal((await from("2001:db8:1:3::1", "/.well-known/jwks.json")).status, 200);
  });

  test("hold the token endpoint to a smaller one", async () => {
    const ask = () => from("203.0.113.77", "/v1/auth/token", { method: "POST", body: "grant_type=x" });
    assert.equal(await letIn(ask), LIMIT);
    assert.equal((await from("203.0.113.77", "/.well-known/jwks.json")).status, 200);
  });

  test("never turn a preflight away", async () => {
    const ask = () => from("203.0.113.78", "/v1/files", { method: "OPTIONS", headers: { origin: APP } });
    assert.equal(await letIn(ask), 10 * LIMIT);
  });

  /** A token of its own each time. */
  function token(sub, workspace, secret = SECRET) {
    const encoded = (json) => Buffer.from(JSON.stringify(json)).toString("base64url");
    const exp = Math.floor(Date.now() / 1000) + 600;
    const claims = { iss: "test", aud: "a", sub, workspace, scope: "files:read", exp, jti: randomUUID() };
    const message = `${encoded({ alg: "HS256" })}.${encoded(claims)}`;
    return `${message}.${createHmac("sha256", secret).update(message).digest("base64url")}`;
  }
});
