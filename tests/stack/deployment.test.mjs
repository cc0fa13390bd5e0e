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

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const WRANGLER = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");

// Bytes of a script after gzip on the free plan; the paid one has 10 MB.
// Source: https://developers.cloudflare.com/workers/platform/limits/#worker-size
const FREE_PLAN = 3e6;

// The development environment has no name.
for (const environment of ["", "staging", "production"]) {
  test(`${environment || "development"} can be deployed, and fits the free plan`, async () => {
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
      const guests = environment ? "off" : "on";
      assert.match(stdout, new RegExp(`env\\.AUTH_GUEST \\("${guests}"\\)`));
      if (environment) {
        // What a deployment must not take over from development.
        assert.doesNotMatch(stdout, /AUTH_SIGNING_KEY/);
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
