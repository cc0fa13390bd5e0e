// `wrangler deploy --dry-run` of every environment of wrangler.toml: bundles, checks the configuration, uploads nothing.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { unstable_readConfig as readConfig } from "wrangler";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const WRANGLER = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");

// Bytes of a script after gzip on the free plan; the paid one has 10 MB.
// Source: https://developers.cloudflare.com/workers/platform/limits/#worker-size
const FREE_PLAN = 3e6;

for (const environment of ["development", "staging", "production"]) {
  test(`${environment} can be deployed, and fits the free plan`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "deploy-test-"));
    try {
      const args = ["deploy", "--dry-run", "--env", environment, "--outdir", folder];
      const env = {
        ...process.env,
        WRANGLER_SEND_METRICS: "false",
        NO_COLOR: "1",
        WRANGLER_LOG_PATH: folder,
      };
      const { stdout } = await promisify(execFile)(process.execPath, [WRANGLER, ...args], { cwd: ROOT, env });
      assert.match(stdout, /dry-run: exiting/);
      assert.match(stdout, /env\.WORKSPACES \(WorkspaceObject\) +Durable Object/);
      const isDeployed = environment !== "development";
      const guests = isDeployed ? "off" : "on";
      assert.match(stdout, new RegExp(`env\\.AUTH_GUEST \\("${guests}"\\)`));
      if (isDeployed) {
        // What a deployment must not take over from development.
        assert.doesNotMatch(stdout, /AUTH_SIGNING_KEY/);
        assert.doesNotMatch(stdout, /assets directory/);
        for (const limit of ["LIMIT_BY_ADDRESS", "LIMIT_BY_SUBJECT", "LIMIT_GRANTS_BY_ADDRESS"]) {
          assert.match(stdout, new RegExp(`env\\.${limit} \\(`));
        }
      }

      let size = 0;
      for (const file of await readdir(folder, { recursive: true })) {
        if (!/\.(js|wasm)$/.test(basename(file))) continue;
        size += gzipSync(await readFile(join(folder, file))).length;
      }
      assert.ok(size > 100_000 && size < FREE_PLAN, `${size} bytes`);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
}

test("what is deployed logs its own lines and no addresses, has no page, and ends what computes without end", () => {
  for (const env of ["staging", "production", undefined]) {
    const { observability, assets, limits, vars } = readConfig({ config: join(ROOT, "wrangler.toml"), env });
    assert.deepEqual(structuredClone(observability), {
      enabled: true,
      logs: { enabled: true, invocation_logs: false },
    });
    assert.equal(assets, undefined, env);
    assert.ok(limits.cpu_ms > 0);
    assert.ok(!("AUTH_SIGNING_KEY" in vars));
    // Without an environment there is nothing at all: the worker names the variable that is missing.
    if (!env) assert.deepEqual(vars, {});
  }
  assert.ok(readConfig({ config: join(ROOT, "wrangler.toml"), env: "development" }).assets.directory);
});
