// The smaller parts in which large files end, and storage that takes parts of one size only.

import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { download, pick, reaches, until, useStack } from "./harness.mjs";

const MIB = 2 ** 20;

describe("storage that takes parts of two sizes", () => {
  const stack = useStack();

  test("a large file ends in smaller parts, across a reload too", async (t) => {
    const page = await stack.openPage(t);
    const file = await stack.file("tailed.bin", 128 * MIB);
    stack.proxy.shape({ total: 40e6 });
    await pick(page, file);
    await until(() => stored(stack).length >= 7, "a part of the tail may be on its way");
    await page.reload();
    stack.proxy.shape();
    await pick(page, file);
    await reaches(page, file.name, "available");
    assert.equal((await download(page, file.name)).sha256, file.sha256);

    const lengths = new Map(
      stored(stack).map(({ partNumber, contentLength }) => [partNumber, contentLength]),
    );
    const inOrder = [...lengths].toSorted(([a], [b]) => a - b).map(([, length]) => length);
    assert.equal(inOrder.length, 18);
    const [ordinary, tail] = [new Set(inOrder.slice(0, 6)), new Set(inOrder.slice(6, -1))];
    assert.deepEqual([ordinary.size, tail.size], [1, 1], `parts of ${inOrder}`);
    assert.ok([...ordinary][0] > 1.5 * [...tail][0], `parts of ${inOrder}`);
  });
});

describe("storage that takes parts of one size only", () => {
  const stack = useStack({ vars: { S3_PROVIDER: "r2", S3_FORMS: "off" } });

  test("a large file goes in equal parts", async (t) => {
    const page = await stack.openPage(t);
    for (const name of ["first.bin", "second.bin"]) {
      stack.proxy.behave();
      const file = await stack.file(name, 128 * MIB);
      await pick(page, file);
      await reaches(page, name, "available");
      assert.equal((await download(page, name)).sha256, file.sha256);
      const lengths = new Set(stored(stack).map(({ contentLength }) => contentLength));
      assert.ok(lengths.size <= 2, `parts of ${[...lengths]}`);
    }
  });
});

function stored({ proxy }) {
  return proxy.requests.filter(({ partNumber, status }) => partNumber && status === 200);
}
