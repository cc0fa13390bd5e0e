// Who may speak to Companion's endpoints: tokens in addresses, cookies, and what neither of them opens.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Companion, becomes, filesOf } from "./companion.mjs";
import {
  Client,
  PART,
  assertProblem,
  eventually,
  hashed,
  mintedClient,
  noise,
  useStack,
} from "./support.mjs";

const APP = "https://app.test";
const SECRET = "a secret of this test";

const stack = useStack({
  vars: {
    S3_FORMS: "on",
    ALLOWED_ORIGINS: APP,
    COMPANION_COOKIE: "upload_token",
    AUTH_CLIENTS: JSON.stringify([
      {
        id: "backend",
        secretHash: hashed(SECRET),
        scopes: ["files:read", "files:write", "files:upload"],
        workspaces: ["*"],
      },
    ]),
  },
});

const minted = (fields) => mintedClient(stack, { client_id: "backend", client_secret: SECRET }, fields);

describe("a token in an address", () => {
  test("uploads, and does nothing else", async () => {
    const client = await stack.guest();
    const companion = await Companion.of(client);
    const upload = await companion.create("f.bin");
    await companion.complete(upload, [await companion.part(upload, 1, noise(3))]);
    const { token } = await client.ask("POST", "/v1/companion/token");
    const narrow = new Client(stack.url, token, client.workspace);
    const file = (await filesOf(client))["f.bin"];
    for (const [method, path] of [
      ["GET", "/v1/files"],
      ["GET", `/v1/files/${file.fileId}/content`],
      ["DELETE", `/v1/files/${file.fileId}`],
      ["GET", "/v1/changes"],
      ["POST", "/v1/uploads"],
      ["POST", "/v1/s3/sign"],
      ["POST", "/v1/companion/token"],
      ["GET", "/v1/database"],
    ]) {
      await narrow.refused("forbidden", method, path, method === "POST" ? { body: {} } : {});
    }
  });

  test("may be no other than such a one", async () => {
    const client = await stack.guest();
    const at = (token) => new Companion(`${stack.url}/v1/companion/${token}`);
    await at(client.token).refused(403, "forbidden", "GET", "/params?filename=a");
    const both = await minted({ scope: "files:upload files:read" });
    await at(both.token).refused(403, "forbidden", "GET", "/params?filename=a");
    const only = await minted({ scope: "files:upload" });
    await at(only.token).create();
    const last = only.token.at(-1) === "A" ? "B" : "A";
    for (const forged of ["x", only.token.replace(/.{5}$/, `xxxx${last}`), ".."]) {
      const response = await fetch(`${stack.url}/v1/companion/${forged}/s3/params?filename=a`);
      assert.ok([401, 404].includes(response.status), forged);
    }
  });

  test("lives for a day at most, and no longer than what it was asked for with", async () => {
    const client = await stack.guest();
    const { expiresIn, expiresAt, path, token } = await client.ask("POST", "/v1/companion/token", {
      body: { expiresIn: 60 },
    });
    assert.ok(expiresIn > 50 && expiresIn <= 60);
    assert.ok(Math.abs(Date.parse(expiresAt) - Date.now() - 60_000) < 10_000);
    assert.equal(path, `/v1/companion/${token}`);
    const usual = await client.ask("POST", "/v1/companion/token");
    assert.ok(usual.expiresIn > 3500 && usual.expiresIn <= 3600);
    const short = await minted({ expires_in: "30" });
    assert.ok((await short.ask("POST", "/v1/companion/token")).expiresIn <= 30);
    for (const body of [{ expiresIn: 0 }, { expiresIn: 86_401 }, { expiresIn: "1" }, { other: 1 }]) {
      await client.refused("invalid_request", "POST", "/v1/companion/token", { body });
    }
    const reader = await minted({ scope: "files:read" });
    await reader.refused("forbidden", "POST", "/v1/companion/token");
  });

  test("is in no line of the log", async () => {
    const client = await stack.guest();
    const companion = await Companion.of(client);
    const upload = await companion.create("secret-name.bin");
    const response = await companion.send("GET", companion.path(upload, "/1"));
    const id = response.headers.get("x-request-id");
    const line = await eventually(
      () => stack.coordinator.logs.find(({ message }) => message.includes(id)),
      "a line of the log",
    );
    const { route, workspace, ledgerCalls, storageCalls } = JSON.parse(line.message);
    assert.equal(route, "/v1/companion/s3/multipart/{uploadId}/{partNumber}");
    assert.deepEqual([workspace, ledgerCalls, storageCalls], [client.workspace, 0, 0]);
    const told = stack.coordinator.logs.map(({ message }) => message).join("\n");
    for (const secret of [companion.endpoint.split("/").at(-1), upload.uploadId, "secret-name", upload.key]) {
      assert.ok(!told.includes(secret));
    }
  });
});

describe("an upload", () => {
  test("is its subject's alone, whatever key is named", async () => {
    const ann = await Companion.of(await minted({ workspace: "shared", sub: "ann" }));
    const bob = await Companion.of(await minted({ workspace: "shared", sub: "bob" }));
    const eve = await Companion.of(await minted({ workspace: "elsewhere", sub: "ann" }));
    const upload = await ann.create("a.bin");
    const others = await bob.create("b.bin");
    for (const more of ["", "/1", "/batch"]) {
      await bob.refused(403, "forbidden", "GET", bob.path(upload, more));
      await eve.refused(404, "not_found", "GET", eve.path(upload, more));
    }
    await bob.refused(403, "forbidden", "DELETE", bob.path(upload));
    await bob.refused(403, "forbidden", "POST", bob.path(upload, "/complete"), { parts: [] });
    // Her own id with his key, and the other way round.
    await ann.refused(400, "invalid_request", "GET", ann.path({ ...upload, key: others.key }, "/1"));
    await ann.refused(403, "forbidden", "GET", ann.path({ ...others, key: upload.key }, "/1"));
    // The same person under another token goes on.
    const again = await Companion.of(await minted({ workspace: "shared", sub: "ann" }));
    await again.part(upload, 1, noise(1));
  });

  test("is held to what its token allows: size, media type and quota", async () => {
    const limited = await minted({
      max_file_size: `${PART}`,
      max_bytes: `${PART + 10}`,
      content_types: "video/*",
    });
    const companion = await Companion.of(limited);
    await companion.refused(403, "forbidden", "POST", "/multipart", { filename: "a", type: "image/png" });
    await companion.refused(403, "forbidden", "GET", "/params?filename=a&type=image/png");

    const send = async (name, ...sizes) => {
      const upload = await companion.create(name);
      const parts = [];
      for (const size of sizes) parts.push(await companion.part(upload, parts.length + 1, noise(size)));
      return [upload, { parts }];
    };
    const complete = (status, code, [upload, body]) =>
      companion.refused(status, code, "POST", companion.path(upload, "/complete"), body);
    await complete(413, "file_too_large", await send("large.bin", PART, 1));
    await becomes(limited, "large.bin", "aborted");

    const [first, { parts }] = await send("first.bin", PART);
    const late = await send("late.bin", 11);
    await companion.complete(first, parts);
    await complete(403, "quota_exceeded", late);
    await becomes(limited, "late.bin", "aborted");
    // What was given back can be used, to the last byte.
    const [fits, body] = await send("fits.bin", 10);
    await companion.complete(fits, body.parts);
    assert.equal((await becomes(limited, "fits.bin", "available")).size, 10);
    await complete(403, "quota_exceeded", await send("more.bin", 1));
  });
});

describe("a cookie", () => {
  const sent = (token, headers) => {
    const name = "upload_token";
    return new Companion(`${stack.url}/v1/companion`, { cookie: `a=b; ${name}=${token}`, ...headers });
  };

  test("lets pages in that may: of our own origin and of the allowed ones", async () => {
    const { token } = await stack.guest();
    for (const headers of [
      { origin: APP },
      { origin: stack.url },
      { "sec-fetch-site": "same-origin" },
      { origin: stack.url, "sec-fetch-site": "same-origin" },
    ]) {
      assert.ok((await sent(token, headers).create()).uploadId, JSON.stringify(headers));
    }
  });

  test("lets nobody in that another page sends", async () => {
    const client = await stack.guest();
    for (const headers of [
      { origin: "https://evil.test" },
      { origin: "null" },
      { origin: "https://evil.test", "sec-fetch-site": "same-origin" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "none" },
      {},
    ]) {
      for (const [method, path, body] of [
        ["GET", "/params?filename=a"],
        ["POST", "/multipart", { filename: "a" }],
      ]) {
        await sent(client.token, headers).refused(403, "forbidden", method, path, body);
      }
    }
    assert.deepEqual(await filesOf(client), {});
  });

  test("has to be one, of that name, with a token that may upload", async () => {
    const ours = { origin: stack.url };
    const client = await stack.guest();
    for (const cookie of [
      "",
      "upload_token",
      `other=${client.token}`,
      "upload_token=x",
      `upload_token=x; upload_token=${client.token}`,
    ]) {
      const companion = new Companion(`${stack.url}/v1/companion`, { ...ours, cookie });
      await companion.refused(401, "unauthenticated", "POST", "/multipart", { filename: "a" });
    }
    const reader = await minted({ scope: "files:read" });
    await sent(reader.token, ours).refused(403, "forbidden", "POST", "/multipart", { filename: "a" });
    const uploader = await minted({ scope: "files:upload" });
    await sent(uploader.token, ours).create();
  });

  test("opens nothing else, and is not needed where a header is sent", async () => {
    const client = await stack.guest();
    const cookie = `upload_token=${client.token}`;
    const response = await fetch(`${stack.url}/v1/files`, { headers: { cookie, origin: stack.url } });
    await assertProblem(response, "unauthenticated");
    const authorization = `Bearer ${client.token}`;
    await new Companion(`${stack.url}/v1/companion`, { authorization }).create();
  });
});

describe("CORS", () => {
  const preflight = (path, origin = APP) =>
    fetch(stack.url + path, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST" },
    });

  test("allows what Companion's clients send, with cookies, and lets browsers remember it", async () => {
    for (const path of ["/v1/companion/s3/multipart", "/v1/companion/TOKEN/s3/multipart/ID/complete?key=a"]) {
      const { status, headers } = await preflight(path);
      assert.equal(status, 204);
      assert.equal(headers.get("access-control-allow-origin"), APP);
      assert.equal(headers.get("access-control-allow-credentials"), "true");
      assert.equal(headers.get("access-control-max-age"), "7200");
      assert.match(headers.get("access-control-allow-methods"), /GET.*POST.*DELETE/);
      for (const name of ["authorization", "content-type", "uppy-auth-token", "uppy-credentials-params"]) {
        assert.ok(headers.get("access-control-allow-headers").includes(name), name);
      }
    }
    const evil = await preflight("/v1/companion/s3/multipart", "https://evil.test");
    for (const name of ["origin", "credentials"]) {
      assert.equal(evil.headers.get(`access-control-allow-${name}`), null);
    }
    // Nothing else takes cookies.
    assert.equal((await preflight("/v1/files")).headers.get("access-control-allow-credentials"), null);
  });

  test("lets pages read what they are told, refusals too", async () => {
    const companion = await Companion.of(await stack.guest());
    for (const path of ["/params?filename=a", "/params"]) {
      const { headers } = await fetch(`${companion.endpoint}/s3${path}`, { headers: { origin: APP } });
      assert.equal(headers.get("access-control-allow-origin"), APP);
      assert.equal(headers.get("access-control-allow-credentials"), "true");
    }
  });
});
