import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import { describe, test } from "node:test";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { Client, PART, assertProblem, requestToken, useStack } from "./support.mjs";

const GUEST = "urn:syncsphere:guest";
const ISSUER = "https://issuer.test";
const AUDIENCE = "https://audience.test";

// Two keys: the first signs, the second is on its way out and still verifies.
const [current, former] = [generateKeyPairSync("ed25519"), generateKeyPairSync("ed25519")];
const pem = ({ privateKey }) => privateKey.export({ type: "pkcs8", format: "pem" });

const stack = useStack({
  vars: {
    AUTH_SIGNING_KEY: `${pem(current)},${pem(former)}`,
    AUTH_ISSUER: ISSUER,
    AUTH_AUDIENCE: AUDIENCE,
    AUTH_TOKEN_TTL_SECONDS: "600",
  },
});

describe("the token endpoint", () => {
  test("grants guests a token that the published keys verify", async () => {
    const reply = await (await requestToken(stack.url, { grant_type: GUEST, workspace: "a-1" })).json();
    assert.equal(reply.token_type, "Bearer");
    assert.equal(reply.expires_in, 600);
    assert.equal(reply.workspace, "a-1");
    assert.equal(reply.scope, "files:read files:write");

    const { keys } = await (await fetch(`${stack.url}/.well-known/jwks.json`)).json();
    assert.equal(keys.length, 2);
    const { header, claims, message, signature } = taken(reply.access_token);
    const jwk = keys.find(({ kid }) => kid === header.kid);
    assert.equal(header.alg, "EdDSA");
    assert.ok(verify(null, message, createPublicKey({ key: jwk, format: "jwk" }), signature));
    assert.equal(claims.iss, ISSUER);
    assert.equal(claims.aud, AUDIENCE);
    assert.equal(claims.workspace, "a-1");
    assert.equal(claims.exp - claims.iat, 600);
    for (const key of keys) assert.equal(key.d, undefined);
  });

  test("gives guests the workspace demo unless they name one, and each a subject of their own", async () => {
    const claims = [];
    for (let index = 0; index < 2; index++) {
      const reply = await (await requestToken(stack.url, { grant_type: GUEST })).json();
      assert.equal(reply.workspace, "demo");
      claims.push(taken(reply.access_token).claims);
    }
    assert.notEqual(claims[0].sub, claims[1].sub);
  });

  test("knows a guest again by a secret, in each workspace as another", async () => {
    const subjectOf = async (guest_secret, workspace) => {
      const reply = await (
        await requestToken(stack.url, { grant_type: GUEST, workspace, guest_secret })
      ).json();
      return taken(reply.access_token).claims.sub;
    };
    const [secret, other] = [randomBytes(16), randomBytes(96)].map((bytes) => bytes.toString("base64url"));
    const subject = await subjectOf(secret, "a-1");
    assert.match(subject, /^guest-[0-9a-f]{32}$/);
    assert.equal(await subjectOf(secret, "a-1"), subject);
    assert.notEqual(await subjectOf(secret, "a-2"), subject);
    assert.notEqual(await subjectOf(other, "a-1"), subject);
  });

  const REFUSED = {
    "no grant type": [{}, "invalid_request"],
    "a grant type that is not offered": [{ grant_type: "password" }, "unsupported_grant_type"],
    "client credentials, which nobody has been given": [
      { grant_type: "client_credentials" },
      "unsupported_grant_type",
    ],
    "a workspace that is none": [{ grant_type: GUEST, workspace: "../x" }, "invalid_request"],
    "a guest's secret that is too short": [
      { grant_type: GUEST, guest_secret: "a".repeat(21) },
      "invalid_request",
    ],
    "a guest's secret that is too long": [
      { grant_type: GUEST, guest_secret: "a".repeat(129) },
      "invalid_request",
    ],
    "a guest's secret of other characters": [
      { grant_type: GUEST, guest_secret: `${"a".repeat(22)}\n` },
      "invalid_request",
    ],
    "a scope that is none": [{ grant_type: GUEST, scope: "files:read admin" }, "invalid_scope"],
  };
  for (const [what, [form, error]] of Object.entries(REFUSED)) {
    test(`refuses ${what}`, async () => {
      const response = await requestToken(stack.url, form);
      assert.equal(response.status, 400);
      const reply = await response.json();
      assert.equal(reply.error, error);
      assert.ok(reply.error_description);
      assert.equal(response.headers.get("cache-control"), "no-store");
    });
  }

  test("refuses a field that comes twice, and a form that is too large", async () => {
    const twice = `grant_type=${GUEST}&workspace=a&workspace=b`;
    const response = await fetch(`${stack.url}/v1/auth/token`, { method: "POST", body: twice });
    assert.equal((await response.json()).error, "invalid_request");
    const large = await fetch(`${stack.url}/v1/auth/token`, { method: "POST", body: "a".repeat(10_000) });
    await assertProblem(large, "invalid_request");
  });
});

describe("a rotation of the keys", () => {
  test("leaves tokens and tickets of the key before good, until it is taken out", async () => {
    const start = (...keys) =>
      startCoordinator({
        s3: stack.s3,
        assets: false,
        vars: { AUTH_SIGNING_KEY: keys.map(pem).join(","), AUTH_ISSUER: ISSUER, AUTH_AUDIENCE: AUDIENCE },
      });
    const coordinators = [];
    try {
      coordinators.push(await start(former), await start(current));
      const [before, after] = coordinators;
      const client = await Client.guest(before.url, "rotation");
      // In parts, which are signed by the ticket alone: a whole file's upload is looked up.
      const grant = await client.open({ length: PART + 1 }, { partSize: PART });
      const sign = (url, bearer) =>
        new Client(url, bearer).send("POST", `/v1/uploads/${grant.uploadId}/parts`, {
          body: { ticket: grant.ticket, parts: [{ partNumber: 1 }] },
        });
      assert.equal((await sign(stack.url, client.token)).status, 200);
      await assertProblem(await sign(after.url, client.token), "unauthenticated");
      const { sub, workspace } = taken(client.token).claims;
      const exp = Math.floor(Date.now() / 1000) + 60;
      const renewed = token(
        { alg: "EdDSA" },
        { iss: ISSUER, aud: AUDIENCE, sub, workspace, scope: "files:write", exp },
      );
      assert.equal((await sign(stack.url, renewed)).status, 200);
      await assertProblem(await sign(after.url, renewed), "invalid_request");
    } finally {
      for (const coordinator of coordinators) await coordinator.stop();
    }
  });
});

describe("a token", () => {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: "ann",
    workspace: "tokens",
    scope: "files:read files:write",
    iat: now,
    exp: now + 300,
  };
  const header = { alg: "EdDSA" };

  const accepted = {
    "of our own making": token(header, claims),
    "for several audiences": token(header, { ...claims, aud: ["x", AUDIENCE] }),
    "that expired within the leeway": token(header, { ...claims, exp: now - 30 }),
    "that begins within the leeway": token(header, { ...claims, nbf: now + 30 }),
  };
  for (const [what, text] of Object.entries(accepted)) {
    test(`${what} is accepted`, async () => {
      const response = await new Client(stack.url, text).send("GET", "/v1/files");
      assert.equal(response.status, 200, await response.text());
    });
  }

  test("of the key before is accepted by the key's name", async () => {
    const { keys } = await (await fetch(`${stack.url}/.well-known/jwks.json`)).json();
    const text = token({ ...header, kid: keys[1].kid }, claims, former.privateKey);
    const response = await new Client(stack.url, text).send("GET", "/v1/files");
    assert.equal(response.status, 200);
  });

  const stranger = generateKeyPairSync("ed25519");
  const refused = {
    "that is missing": undefined,
    "that is none": "nonsense",
    "without a signature": token(header, claims).replace(/[^.]*$/, ""),
    "of another key": token(header, claims, stranger.privateKey),
    "of the key before without its name": token(header, claims, former.privateKey),
    "with a key name that is unknown": token({ ...header, kid: "../../etc/passwd" }, claims),
    "with the algorithm none": unsigned({ alg: "none" }, claims),
    "with an algorithm of shared secrets": token({ alg: "HS256" }, claims),
    "with a critical extension": token({ ...header, crit: ["b64"], b64: false }, claims),
    "that has expired": token(header, { ...claims, exp: now - 120 }),
    "that never expires": token(header, { ...claims, exp: undefined }),
    "that is not valid yet": token(header, { ...claims, nbf: now + 120 }),
    "of another issuer": token(header, { ...claims, iss: "https://other.test" }),
    "for another audience": token(header, { ...claims, aud: "https://other.test" }),
    "without a subject": token(header, { ...claims, sub: undefined }),
    "without a workspace": token(header, { ...claims, workspace: undefined }),
    "for a workspace that is none": token(header, { ...claims, workspace: "../x" }),
    "that is huge": token(header, { ...claims, sub: "x".repeat(20_000) }),
    "with changed claims": altered(token(header, claims), { ...claims, workspace: "other" }),
  };
  for (const [what, text] of Object.entries(refused)) {
    test(`${what} is refused`, async () => {
      const response = await new Client(stack.url, text).send("GET", "/v1/files");
      assert.equal(response.headers.get("www-authenticate"), "Bearer");
      const problem = await assertProblem(response, "unauthenticated");
      assert.equal(problem.status, 401);
    });
  }

  test("is asked for by every endpoint but the open ones", async () => {
    const nobody = new Client(stack.url, undefined);
    for (const [method, path] of [
      ["POST", "/v1/uploads"],
      ["POST", "/v1/uploads/a/parts"],
      ["POST", "/v1/uploads/a/complete"],
      ["GET", "/v1/uploads/a"],
      ["DELETE", "/v1/uploads/a"],
      ["GET", "/v1/files"],
      ["GET", "/v1/files/a"],
      ["DELETE", "/v1/files/a"],
      ["GET", "/v1/files/a/content"],
      ["GET", "/v1/changes"],
    ]) {
      await nobody.refused("unauthenticated", method, path);
    }
    for (const path of ["/healthz", "/.well-known/jwks.json"]) {
      assert.equal((await nobody.send("GET", path)).status, 200);
    }
  });

  test("with one scope does what that scope allows and no more", async () => {
    const reader = await stack.guest("scopes", "files:read");
    const writer = await stack.guest("scopes", "files:write");
    await reader.ask("GET", "/v1/files");
    await reader.refused("forbidden", "POST", "/v1/uploads", { body: { files: [] } });
    await reader.refused("forbidden", "DELETE", "/v1/files/a");
    await writer.refused("forbidden", "GET", "/v1/files");
    await writer.refused("forbidden", "GET", "/v1/changes");
    await writer.open({ length: 1 });
  });

  test("with a size limit opens smaller files only", async () => {
    const client = new Client(stack.url, token(header, { ...claims, maxFileSize: 10 }));
    const results = await client.initiate([
      { clientRef: "a", name: "a", size: 10 },
      { clientRef: "b", name: "b", size: 11 },
    ]);
    assert.ok(results[0].uploadId);
    assert.equal(results[1].error.code, "file_too_large");
  });
});

function token(header, claims, key = current.privateKey) {
  const message = `${encoded(header)}.${encoded(claims)}`;
  return `${message}.${sign(null, Buffer.from(message), key).toString("base64url")}`;
}

function unsigned(header, claims) {
  return `${encoded(header)}.${encoded(claims)}.${randomBytes(64).toString("base64url")}`;
}

function altered(text, claims) {
  const [header, , signature] = text.split(".");
  return `${header}.${encoded(claims)}.${signature}`;
}

function encoded(json) {
  return Buffer.from(JSON.stringify(json)).toString("base64url");
}

function taken(text) {
  const [header, claims, signature] = text.split(".");
  const decoded = (part) => JSON.parse(Buffer.from(part, "base64url"));
  return {
    header: decoded(header),
    claims: decoded(claims),
    message: Buffer.from(`${header}.${claims}`),
    signature: Buffer.from(signature, "base64url"),
  };
}
