// Tokens of external issuers: real signatures of Node's crypto, verified by workerd's, and keys over real HTTP.
import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { Client, assertProblem, eventually, useStack } from "./support.mjs";

const AUDIENCE = "uploads";
const SUBJECT = "somebody-0f3c";
const SECRET = randomBytes(24).toString("hex");
const KINDS = {
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
};

const keys = Object.fromEntries(Object.entries(KINDS).map(([algorithm, make]) => [algorithm, make()]));
const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
const now = Math.floor(Date.now() / 1000);

/** A server of key sets: one path an issuer, each answering as its handler says and counting how often. */
const idp = {
  asked: {},
  handlers: {},
  async start() {
    this.server = createServer((request, response) => {
      const name = request.url.slice(1);
      this.asked[name] = (this.asked[name] ?? 0) + 1;
      this.handlers[name]?.(response);
    });
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  },
  publish(name, ...jwks) {
    this.handlers[name] = (response) => response.end(JSON.stringify({ keys: jwks }));
  },
  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  },
};

function jwk({ publicKey }, more) {
  return { ...publicKey.export({ format: "jwk" }), ...more };
}

function encoded(json) {
  return Buffer.from(typeof json === "string" ? json : JSON.stringify(json)).toString("base64url");
}

/** A token signed as its header says, with what Node makes of it. */
function token(header, claims, key) {
  const message = `${encoded(header)}.${encoded(claims)}`;
  return `${message}.${signature(header.alg, message, key).toString("base64url")}`;
}

function signature(alg, message, key) {
  if (alg === "none") return Buffer.alloc(0);
  if (alg.startsWith("HS")) return createHmac("sha256", key).update(message).digest();
  if (alg === "EdDSA") return sign(null, Buffer.from(message), key);
  return sign("sha256", Buffer.from(message), { key, dsaEncoding: "ieee-p1363" });
}

function claimsOf(issuer, changes) {
  return {
    iss: issuer,
    aud: AUDIENCE,
    sub: SUBJECT,
    workspace: "team-1",
    scope: "files:read",
    iat: now,
    exp: now + 3600,
    ...changes,
  };
}

/** Issuers whose keys the server publishes under their own name, all for ES256. */
const FAULTY = [
  "rotating",
  "guessed",
  "failing",
  "slow",
  "oversized",
  "garbage",
  "moved",
  "cold",
  "off-curve",
];

const vars = {};
before(async () => {
  await idp.start();
  const published = (issuer, algorithm, more) => ({
    issuer,
    audience: AUDIENCE,
    algorithm,
    jwksUrl: `${idp.url}/${issuer}`,
    ...more,
  });
  const shared = (issuer, name) => ({
    issuer,
    audience: AUDIENCE,
    algorithm: "HS256",
    secretVariable: `AUTH_ISSUER_SECRET_${name}`,
  });
  Object.assign(vars, {
    AUTH_ISSUER_SECRET_BACKEND: SECRET,
    AUTH_ISSUERS: JSON.stringify([
      ...Object.keys(KINDS).map((algorithm) => published(algorithm, algorithm, { workspaces: ["team-*"] })),
      ...FAULTY.map((issuer) => published(issuer, "ES256")),
      published("weak", "RS256"),
      shared("HS256", "BACKEND"),
    ]),
  });
  const all = Object.entries(keys).map(([algorithm, pair]) => jwk(pair, { kid: `${algorithm}-1` }));
  for (const algorithm of Object.keys(KINDS)) idp.publish(algorithm, ...all, { kty: "unheard of" });
  idp.publish("weak", jwk(weak, { kid: "w" }));
});
const stack = useStack({ vars });
after(() => idp.stop());

const asks = (text) => new Client(stack.url, text).send("GET", "/v1/files");

async function assertLetIn(text, what) {
  const response = await asks(text);
  assert.equal(response.status, 200, `${what}: ${await response.text()}`);
}

async function assertKeptOut(text, code = "unauthenticated") {
  return assertProblem(await asks(text), code);
}

/** Each way of signing, with a header and a key that hold. */
const WAYS = {
  ...Object.fromEntries(
    Object.entries(keys).map(([alg, { privateKey }]) => [alg, [{ alg, kid: `${alg}-1` }, privateKey]]),
  ),
  HS256: [{ alg: "HS256", typ: "JWT" }, SECRET],
};

for (const [issuer, [header, key]] of Object.entries(WAYS)) {
  describe(`an issuer that signs by ${issuer}`, () => {
    const good = claimsOf(issuer);

    test("lets its users in, to WebSockets too, and they upload with what its tokens allow", async () => {
      await assertLetIn(token(header, good, key), "a plain token");
      await assertLetIn(token(header, { ...good, aud: ["x", AUDIENCE], nbf: now + 50, exp: now + 60 }, key));
      await assertLetIn(token(header, { ...good, exp: now - 30 }, key), "within the leeway");
      const writes = { ...good, scope: "openid files:write", maxFileSize: 10 };
      const client = new Client(stack.url, token(header, writes, key));
      const results = await client.initiate([
        { clientRef: "a", name: "a", size: 10 },
        { clientRef: "b", name: "b", size: 11 },
      ]);
      assert.ok(results[0].uploadId);
      assert.equal(results[1].error.code, "file_too_large");
      await client.refused("forbidden", "GET", "/v1/files");
      const upgraded = await stack.coordinator.runtime.dispatchFetch(`${stack.url}/v1/events`, {
        headers: {
          upgrade: "websocket",
          "sec-websocket-protocol": `syncsphere.v1, bearer.${token(header, good, key)}`,
        },
      });
      assert.equal(upgraded.status, 101);
      upgraded.webSocket.accept();
      upgraded.webSocket.close();
    });

    test("opens nothing by a token that is wrong in any way", async () => {
      const text = token(header, good, key);
      const [head, body, mark] = text.split(".");
      const stranger = issuer === "HS256" ? `${SECRET}x` : KINDS[issuer]().privateKey;
      const pem = keys.RS256.publicKey.export({ type: "spki", format: "pem" });
      const twice = JSON.stringify(good).replace('"sub":', '"sub":"bob","sub":');
      const flipped = Buffer.from(mark, "base64url");
      flipped[3] ^= 1;
      const wrong = {
        "another key": token(header, good, stranger),
        "no algorithm": token({ ...header, alg: "none" }, good),
        "no algorithm, its signature kept": `${encoded({ alg: "none" })}.${body}.${mark}`,
        "no signature": `${head}.${body}.`,
        "a flipped bit": `${head}.${body}.${flipped.toString("base64url")}`,
        "a short signature": `${head}.${body}.${mark.slice(0, -4)}`,
        "other claims under its signature": `${head}.${encoded({ ...good, workspace: "team-2" })}.${mark}`,
        "a public key as the secret": token({ ...header, alg: "HS256" }, good, pem),
        "a key set as the secret": token({ ...header, alg: "HS256" }, good, JSON.stringify(jwk(keys.EdDSA))),
        "another algorithm": token({ alg: "EdDSA", kid: "x" }, good, keys.EdDSA.privateKey),
        "a critical extension": token({ ...header, crit: ["exp"], exp: 1 }, good, key),
        "claims twice": token(header, twice, key),
        "a header twice": `${encoded(JSON.stringify(header).replace("{", '{"alg":"none",'))}.${body}.${mark}`,
        "no claims": token(header, "{}", key),
        "claims that are no object": token(header, "[]", key),
        "its time over": token(header, { ...good, exp: now - 120 }, key),
        "no end": token(header, { ...good, exp: undefined }, key),
        "a text for a time": token(header, { ...good, exp: `${now + 3600}` }, key),
        "a time to come": token(header, { ...good, nbf: now + 600 }, key),
        "another audience": token(header, { ...good, aud: "others" }, key),
        "no audience": token(header, { ...good, aud: undefined }, key),
        "an issuer nobody knows": token(header, { ...good, iss: `${issuer}/` }, key),
        "our own issuer": token(header, { ...good, iss: "syncsphere" }, key),
        "no subject": token(header, { ...good, sub: "" }, key),
        "a number for a subject": token(header, { ...good, sub: 7 }, key),
        "no workspace": token(header, { ...good, workspace: undefined }, key),
        "a path for a workspace": token(header, { ...good, workspace: "../team-1" }, key),
        "no scope": token(header, { ...good, scope: undefined }, key),
        "a list for a scope": token(header, { ...good, scope: ["files:read"] }, key),
        "a huge claim": token(header, { ...good, more: "x".repeat(9000) }, key),
      };
      for (const [what, text] of Object.entries(wrong)) {
        const response = await asks(text);
        assert.equal(response.status, 401, `${what}: ${await response.text()}`);
        assert.equal(response.headers.get("www-authenticate"), "Bearer", what);
      }
    });

    test("is not asked for a key that a token brings or points to", async () => {
      const stranger = generateKeyPairSync("ed25519");
      let strayed = 0;
      idp.handlers.evil = (response) => {
        strayed += 1;
        response.end(JSON.stringify({ keys: [jwk(stranger, { kid: "evil" })] }));
      };
      const pointers = { jku: `${idp.url}/evil`, x5u: `${idp.url}/evil`, jwk: jwk(stranger), x5c: ["AAAA"] };
      await assertLetIn(token({ ...header, ...pointers }, good, key), "they say nothing");
      const forged = { ...header, ...pointers, alg: "EdDSA", kid: "evil" };
      await assertKeptOut(token(forged, good, stranger.privateKey));
      const names = [
        "../../etc/passwd",
        "' OR 1=1 --",
        `${idp.url}/evil`,
        "a\u0000b\n",
        "k".repeat(5000),
        7,
        null,
        {},
      ];
      for (const kid of names) {
        // A null names no key; of HS256 there is one, whatever its name.
        const response = await asks(token({ ...header, kid }, { ...good, exp: now - 120 }, key));
        assert.equal(response.status, 401, String(kid));
        await response.body?.cancel();
      }
      assert.equal(strayed, 0);
    });
  });
}

describe("external issuers", () => {
  test("open the workspaces that are theirs", async () => {
    for (const issuer of Object.keys(KINDS)) {
      const [header, key] = WAYS[issuer];
      await assertKeptOut(token(header, claimsOf(issuer, { workspace: "other" }), key), "forbidden");
    }
    const [header, key] = WAYS.HS256;
    await assertLetIn(token(header, claimsOf("HS256", { workspace: "other" }), key), "one that may all");
  });

  test("have a key of 1024 bits for nothing", async () => {
    const response = await asks(token({ alg: "RS256", kid: "w" }, claimsOf("weak"), weak.privateKey));
    assert.equal(response.status, 401);
  });

  test("are asked for their keys once for all requests that come together", async () => {
    let answer;
    const answered = new Promise((resolve) => (answer = resolve));
    idp.handlers.cold = async (response) => {
      await answered;
      response.end(JSON.stringify({ keys: [jwk(keys.ES256, { kid: "c" })] }));
    };
    const text = token({ alg: "ES256", kid: "c" }, claimsOf("cold"), keys.ES256.privateKey);
    const all = Array.from({ length: 20 }, () => asks(text));
    await eventually(() => idp.asked.cold > 0, "the issuer is asked");
    answer();
    for (const response of await Promise.all(all)) assert.equal(response.status, 200);
    assert.equal(idp.asked.cold, 1);
  });

  test("are not asked for each name that somebody makes up", async () => {
    idp.publish("guessed", jwk(keys.ES256, { kid: "g" }));
    const began = Date.now();
    const guesses = Array.from({ length: 200 }, (_, index) =>
      token({ alg: "ES256", kid: `guess-${index}` }, claimsOf("guessed"), keys.ES256.privateKey),
    );
    const responses = await Promise.all(guesses.map(asks));
    for (const response of responses) assert.equal(response.status, 401);
    await assertLetIn(
      token({ alg: "ES256", kid: "g" }, claimsOf("guessed"), keys.ES256.privateKey),
      "the real one",
    );
    // One now and one each ten seconds, however long this machine took.
    assert.ok(idp.asked.guessed <= 1 + (Date.now() - began) / 10_000, `${idp.asked.guessed} times`);
  });

  test("may change their keys, lose their server, and are heard again", async () => {
    const [first, second] = [KINDS.ES256(), KINDS.ES256()];
    const old = token({ alg: "ES256", kid: "1" }, claimsOf("rotating"), first.privateKey);
    const fresh = token({ alg: "ES256", kid: "2" }, claimsOf("rotating"), second.privateKey);
    idp.publish("rotating", jwk(first, { kid: "1" }));
    await assertLetIn(old, "by the first key");
    await assertKeptOut(fresh);
    idp.publish("rotating", jwk(second, { kid: "2" }), jwk(first, { kid: "1" }));
    await eventually(async () => (await asks(fresh)).status === 200, "the new key is found", 60_000);
    await assertLetIn(old, "by the first key still");
    idp.handlers.rotating = (response) => response.destroy();
    await assertLetIn(fresh, "by what is known while the server is down");
  });

  const FAULTS = {
    failing: (response) => response.writeHead(500).end(JSON.stringify({ keys: [jwk(keys.ES256)] })),
    moved: (response) => response.writeHead(302, { location: `${idp.url}/guessed` }).end(),
    slow: () => {},
    oversized: (response) =>
      response.end(JSON.stringify({ keys: [jwk(keys.ES256)], more: "x".repeat(70_000) })),
    garbage: (response) => response.end("<html>"),
  };
  for (const [issuer, handler] of Object.entries(FAULTS)) {
    test(`that are ${issuer} keep their users out for a while, and nobody else`, async () => {
      idp.handlers[issuer] = handler;
      const text = token({ alg: "ES256" }, claimsOf(issuer), keys.ES256.privateKey);
      const responses = await Promise.all([asks(text), asks(text), asks(text)]);
      for (const response of responses) {
        assert.equal(response.headers.get("retry-after"), "10");
        const problem = await assertProblem(response, "internal");
        assert.equal(problem.status, 503);
        assert.ok(!JSON.stringify(problem).includes("127.0.0.1"));
      }
      const [header, key] = WAYS.HS256;
      await assertLetIn(token(header, claimsOf("HS256"), key), "another issuer's user");
      assert.ok(idp.asked[issuer] <= 3, `${idp.asked[issuer]} times`);
    });
  }

  test("with a key that is no point of its curve have none", async () => {
    const key = jwk(keys.ES256, { x: Buffer.alloc(32, 1).toString("base64url") });
    idp.publish("off-curve", key);
    await assertKeptOut(token({ alg: "ES256" }, claimsOf("off-curve"), keys.ES256.privateKey));
  });

  test("are in the log by their place in the list, without address, token or name", async () => {
    const told = () => stack.coordinator.logs.map(({ message }) => message).join("\n");
    await eventually(() => told().includes("of AUTH_ISSUERS gives no usable key set"), "a line of the log");
    for (const secret of [idp.url, SECRET, "oversized", SUBJECT]) assert.ok(!told().includes(secret), secret);
  });
});

describe("the published tokens of RFC 7515", () => {
  const PAYLOAD =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
  const joe = { issuer: "joe", audience: AUDIENCE };
  /** Appendix, header, signature, and the key as it is configured. */
  const VECTORS = {
    A1: {
      token: `eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.${PAYLOAD}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk`,
      issuer: { ...joe, algorithm: "HS256", secretVariable: "AUTH_ISSUER_SECRET_RFC" },
    },
    A2: {
      token: `eyJhbGciOiJSUzI1NiJ9.${PAYLOAD}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw`,
      issuer: { ...joe, algorithm: "RS256" },
      jwk: {
        kty: "RSA",
        n: "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        e: "AQAB",
      },
    },
    A3: {
      token: `eyJhbGciOiJFUzI1NiJ9.${PAYLOAD}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q`,
      issuer: { ...joe, algorithm: "ES256" },
      jwk: {
        kty: "EC",
        crv: "P-256",
        x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
      },
    },
  };
  for (const [appendix, { token, issuer, jwk }] of Object.entries(VECTORS)) {
    test(`hold (${appendix}), though they say too little to open anything, and do not once a bit is changed`, async () => {
      const name = `rfc-${appendix}`;
      if (jwk) idp.publish(name, jwk);
      const coordinator = await startCoordinator({
        s3: stack.s3,
        assets: false,
        vars: {
          AUTH_ISSUER_SECRET_RFC:
            "base64:AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
          AUTH_ISSUERS: JSON.stringify([{ ...issuer, ...(jwk && { jwksUrl: `${idp.url}/${name}` }) }]),
        },
      });
      try {
        const detail = async (text) => {
          const response = await new Client(coordinator.url, text).send("GET", "/v1/files");
          return (await assertProblem(response, "unauthenticated")).detail;
        };
        assert.match(await detail(token), /lacks a claim/);
        const [header, payload, mark] = token.split(".");
        const changed = Buffer.from(mark, "base64url");
        changed[9] ^= 8;
        assert.match(await detail(`${header}.${payload}.${changed.toString("base64url")}`), /does not hold/);
      } finally {
        await coordinator.stop();
      }
    });
  }
});
