import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { useStack } from "./support.mjs";

const DESCRIPTION = new URL("../../coordinator-core/openapi.json", import.meta.url);

describe("the description of the API", () => {
  const stack = useStack();

  test("is served to everybody, and every endpoint in it is there", async () => {
    const response = await fetch(`${stack.url}/openapi.json`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "application/json");
    const description = await response.json();
    assert.deepEqual(description, JSON.parse(await readFile(DESCRIPTION, "utf8")));
    assert.match(description.openapi, /^3\.1\./);

    const client = await stack.guest();
    for (const [path, methods] of Object.entries(description.paths)) {
      const concrete = path.replace(/\{\w+\}/g, "0123456789abcdef");
      for (const [method, operation] of Object.entries(methods)) {
        const open = operation.security?.length === 0 || path === "/v1/auth/token";
        const anonymous = await client.send(method.toUpperCase(), concrete, { token: null });
        assert.equal(anonymous.status === 401, !open, `${method} ${path}`);
        const { status } = await client.send(method.toUpperCase(), concrete);
        assert.ok(status !== 405 && (status !== 404 || path !== concrete), `${method} ${path}: ${status}`);
      }
      const other = await client.send("PATCH", concrete);
      assert.equal(other.status, 405);
      const allowed = other.headers.get("allow").toLowerCase().split(", ").sort();
      assert.deepEqual(allowed, Object.keys(methods).sort());
    }
  });
});
