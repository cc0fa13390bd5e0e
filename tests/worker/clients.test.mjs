import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  PART,
  assertProblem,
  eventually,
  hashed,
  mintedClient,
  noise,
  requestToken,
  useStack,
} from "./support.mjs";

const SECRET = "a secret: with %, + and ü";

const stack = useStack({
  vars: {
    AUTH_GUEST: "off",
    AUTH_TOKEN_TTL_SECONDS: "600",
    UPLOAD_TTL_SECONDS: "10",
    AUTH_CLIENTS: JSON.stringify([
      {
        id: "back end",
        secretHash: hashed(SECRET),
        scopes: ["files:read", "files:write"],
        workspaces: ["team-*"],
      },
      { id: "reader", secretHash: hashed("other"), scopes: ["files:read"], workspaces: ["*"] },
    ]),
  },
});

const GRANT = { grant_type: "client_credentials", client_id: "back end", client_secret: SECRET };

const minted = (fields) => mintedClient(stack, GRANT, fields);

describe("client credentials", () => {
  test("mint a token for the subject and workspace that the backend names", async () => {
    const client = await minted({ sub: "user 7" });
    const file = await client.upload(noise(3));
    assert.equal(file.owner, "user 7");
    assert.equal(file.workspace, client.workspace);
  });

  test("may come by HTTP Basic, form encoded first", async () => {
    const encoded = [GRANT.client_id, SECRET].map((text) => encodeURIComponent(text).replaceAll("%20", "+"));
    const response = await fetch(`${stack.url}/v1/auth/token`, {
      method: "POST",
      headers: { authorization: `Basic ${Buffer.from(encoded.join(":")).toString("base64")}` },
      body: new URLSearchParams({
        grant_type: "client_credentials",
        sub: "ann",
        workspace: "team-1",
        expires_in: "60",
        scope: "files:read",
      }),
    });
    assert.equal(response.status, 200);
    const { expires_in, scope } = await response.json();
    assert.deepEqual([expires_in, scope], [60, "files:read"]);
  });

  const FIELDS = { ...GRANT, sub: "ann", workspace: "team-1" };
  const REFUSED = {
    "a wrong secret": [{ ...FIELDS, client_secret: "wrong" }, "invalid_client", 401],
    "another client's secret": [{ ...FIELDS, client_secret: "other" }, "invalid_client", 401],
    "an unknown client": [{ ...FIELDS, client_id: "nobody" }, "invalid_client", 401],
    "no credentials": [{ grant_type: "client_credentials" }, "invalid_client", 401],
    "an empty secret": [{ ...FIELDS, client_secret: "" }, "invalid_client", 401],
    "another workspace": [{ ...FIELDS, workspace: "others" }, "unauthorized_client", 400],
    "no workspace": [{ ...FIELDS, workspace: "" }, "invalid_request", 400],
    "no subject": [{ ...FIELDS, sub: "" }, "invalid_request", 400],
    "a subject without end": [{ ...FIELDS, sub: "x".repeat(256) }, "invalid_request", 400],
    "a scope that there is not": [{ ...FIELDS, scope: "files:admin" }, "invalid_scope", 400],
    "more than the client may": [
      { ...FIELDS, client_id: "reader", client_secret: "other", scope: "files:write" },
      "invalid_scope",
      400,
    ],
    "a longer life than allowed": [{ ...FIELDS, expires_in: "601" }, "invalid_request", 400],
    "no life": [{ ...FIELDS, expires_in: "0" }, "invalid_request", 400],
    "a limit that is no number": [{ ...FIELDS, max_bytes: "-1" }, "invalid_request", 400],
    "a type that is none": [{ ...FIELDS, content_types: "image" }, "invalid_request", 400],
    "a guest": [{ grant_type: "urn:syncsphere:guest" }, "unauthorized_client", 400],
  };
  for (const [what, [form, error, status]] of Object.entries(REFUSED)) {
    test(`${what} is refused as ${error}`, async () => {
      const response = await requestToken(stack.url, form);
      assert.equal(response.status, status);
      assert.equal((await response.json()).error, error);
      assert.equal(response.headers.has("www-authenticate"), status === 401);
    });
  }
});

describe("what a token limits", () => {
  test("the size of a file", async () => {
    const client = await minted({ max_file_size: "10" });
    const [fits, larger] = await client.initiate([file(10), file(11)]);
    assert.ok(fits.uploadId);
    assert.equal(larger.error.code, "file_too_large");
  });

  test("the types of files", async () => {
    const client = await minted({ content_types: "image/png video/*" });
    const types = ["image/png", "video/mp4", "image/gif", "text/html", undefined, "IMAGE/PNG; a=b"];
    const results = await client.initiate(types.map((contentType) => ({ ...file(1), contentType })));
    assert.deepEqual(
      results.map(({ error }) => error?.code),
      [undefined, undefined, "forbidden", "forbidden", "forbidden", undefined],
    );
  });

  test("the bytes that the subject keeps, those under way included", async () => {
    const client = await minted({ max_bytes: "100" });
    const results = await client.initiate([file(60), file(50), file(40), file(0), file(1)]);
    assert.deepEqual(
      results.map(({ error }) => error?.code),
      [undefined, "quota_exceeded", undefined, undefined, "quota_exceeded"],
    );
    assert.equal(results[1].error.status, 403);
    // An abort gives the bytes back, a completion does not, a deletion does.
    await client.ask("DELETE", `/v1/uploads/${results[0].uploadId}`);
    await client.ask("DELETE", `/v1/uploads/${results[0].uploadId}`);
    const kept = await client.upload(noise(60));
    await assertFull(client);
    await client.ask("DELETE", `/v1/files/${kept.fileId}`);
    await client.ask("DELETE", `/v1/files/${kept.fileId}`);
    await client.upload(noise(60));
    await assertFull(client);
    // Another subject of the workspace has a quota of its own.
    const bob = await minted({ workspace: client.workspace, sub: "bob", max_bytes: "1" });
    await bob.upload(noise(1));
    await assertFull(bob);
  });

  test("the bytes, given back when an upload expires", async () => {
    const client = await minted({ max_bytes: "10" });
    await client.open(noise(10));
    await assertFull(client);
    await eventually(async () => (await client.initiate([file(10)]))[0].uploadId, "the quota is free again");
  });

  test("the bytes, whatever is asked at once", async () => {
    const client = await minted({ max_bytes: `${3 * (PART + 1)}` });
    const several = { ...file(PART + 1), partSize: PART };
    const replies = await Promise.all(Array.from({ length: 8 }, () => client.initiate([several, several])));
    const results = replies.flat();
    assert.equal(results.filter(({ uploadId }) => uploadId).length, 3);
    assert.equal(results.filter(({ error }) => error?.code === "quota_exceeded").length, 13);
  });

  test("the bytes, and a repeated request answers the same and costs nothing more", async () => {
    const client = await minted({ max_bytes: "10" });
    const files = [file(6), file(6), file(2)];
    const headers = { "idempotency-key": "k" };
    const [first, second] = [await client.initiate(files, headers), await client.initiate(files, headers)];
    const seen = (results) => results.map(({ uploadId, error }) => uploadId ?? error.code);
    assert.deepEqual(seen(second), seen(first));
    assert.equal(seen(first)[1], "quota_exceeded");
    await client.upload(noise(2));
    await assertFull(client);
  });

  test("nothing by its scope alone", async () => {
    const client = await minted({ scope: "files:read" });
    await assertProblem(
      await client.send("POST", "/v1/uploads", { body: { files: [file(1)] } }),
      "forbidden",
    );
  });
});

function file(size) {
  return { clientRef: "f", name: "f", size };
}

async function assertFull(client) {
  const [{ error }] = await client.initiate([file(1)]);
  assert.equal(error?.code, "quota_exceeded");
}
