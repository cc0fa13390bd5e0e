// Storage under two addresses: which part goes where.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { PART, noise, useStack } from "./support.mjs";

const names = ["127.0.0.1", "localhost"];
const stack = useStack({
  s3Vars: ({ endpoint }) => ({
    publicEndpoint: names.map((name) => endpoint.replace("127.0.0.1", name)).join(","),
  }),
});

test("parts take turns at them, whatever request asks for their URLs, and change places after two seconds", async () => {
  const client = await stack.guest();
  const grant = await client.open(noise(6 * PART), { partSize: PART, parts: [{ partNumber: 1 }] });
  const ask = async (...numbers) => {
    const urls = await client.sign(
      grant,
      numbers.map((partNumber) => ({ partNumber })),
    );
    return urls.map(({ url }) => new URL(url).hostname);
  };
  const first = new URL(grant.urls[0].url).hostname;
  const [other] = names.filter((name) => name !== first);
  const later = [...(await ask(2)), ...(await ask(3, 4)), ...(await ask(5, 6))];
  assert.deepEqual(later, [other, first, other, first, other]);
  await delay(2000);
  assert.deepEqual(await ask(1, 2), [other, first]);
});
