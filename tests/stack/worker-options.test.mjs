// What wrangler makes of a configuration is kept, but for secrets.

import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { readWorkerOptions } from "../../stack/worker-options.mjs";

const KEPT = fileURLToPath(new URL("../../target/xtask/worker-options", import.meta.url));

/** Those of this folder that are kept; other tests may keep theirs meanwhile. */
async function kept(folder) {
  const names = await readdir(KEPT).catch(() => []);
  const texts = await Promise.all(
    names.map((name) => readFile(join(KEPT, name), "utf8").catch(() => "")), // moved into its place meanwhile
  );
  return names.filter((_, i) => texts[i].includes(JSON.stringify(folder)));
}

async function makeConfiguration(t) {
  const folder = await mkdtemp(join(tmpdir(), "syncsphere-wrangler-"));
  t.after(async () => {
    for (const name of await kept(folder)) await rm(join(KEPT, name));
    await rm(folder, { recursive: true });
  });
  await writeFile(join(folder, "index.js"), "export default {};");
  const path = join(folder, "wrangler.toml");
  const configure = (greeting) =>
    writeFile(
      path,
      `name = "greeter"
main = "index.js"
compatibility_date = "2026-01-01"
[env.development.vars]
GREETING = "${greeting}"
`,
    );
  const bindings = async () => (await readWorkerOptions(path, "development")).workerOptions.bindings;
  return { folder, configure, bindings };
}

test("it is kept until the configuration is another", async (t) => {
  const { folder, configure, bindings } = await makeConfiguration(t);
  await configure("hello");
  assert.deepEqual(await bindings(), { GREETING: "hello" });
  assert.equal((await kept(folder)).length, 1);
  assert.deepEqual(await bindings(), { GREETING: "hello" });
  assert.equal((await kept(folder)).length, 1);
  await configure("goodbye");
  assert.deepEqual(await bindings(), { GREETING: "goodbye" });
});

test("nothing is kept where secrets lie beside the configuration", async (t) => {
  const { folder, configure, bindings } = await makeConfiguration(t);
  await configure("hello");
  await writeFile(join(folder, ".dev.vars"), "PASSWORD=secret");
  assert.deepEqual(await bindings(), { GREETING: "hello", PASSWORD: "secret" });
  assert.deepEqual(await kept(folder), []);
});
