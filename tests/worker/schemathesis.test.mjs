// Schemathesis reads /openapi.json and asks whatever it allows and whatever it forbids: no answer may be a server's
// error, and every answer has to be one that the description promises.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { PART, noise, useStack } from "./support.mjs";

const TOOLS = process.env.SYNCSPHERE_PYTHON_TOOLS;

/** Not among them: that whatever fits the description is accepted, since a part's number also has to fit its upload; and
 * that nothing is found once it was deleted, since records stay. */
const CHECKS = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_headers_conformance",
  "response_schema_conformance",
  "negative_data_rejection",
  "missing_required_header",
  "unsupported_method",
  "allow_header_conformance",
  "ignored_auth",
];

/** Test cases an endpoint and phase; with 15 a run takes some 15 seconds. */
const EXAMPLES = process.env.SCHEMATHESIS_EXAMPLES ?? "15";
const SEED = process.env.SCHEMATHESIS_SEED ?? "1";

describe("whatever Schemathesis thinks of", () => {
  const stack = useStack();

  test("is answered as the description says", { timeout: 280_000 }, async (t) => {
    assert.ok(TOOLS, "SYNCSPHERE_PYTHON_TOOLS is missing: run `cargo xtask test worker`");
    const folder = await mkdtemp(join(tmpdir(), "schemathesis-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const client = await stack.guest();
    await client.upload(noise(3));
    const { uploadId } = await client.open(noise(PART + 1), { partSize: PART });
    // It finds files by itself; an upload it has to be told of.
    const config = join(folder, "schemathesis.toml");
    await writeFile(config, `[parameters]\nuploadId = "${uploadId}"\n`);

    const { code, output } = await run(t.signal, folder, [
      ...[join(TOOLS, "bin", "schemathesis"), "--config-file", config, "run", `${stack.url}/openapi.json`],
      ...["--header", `Authorization: Bearer ${client.token}`, "--checks", CHECKS.join(",")],
      ...["--seed", SEED, "--max-examples", EXAMPLES, "--generation-database", "none"],
      ...["--suppress-health-check", "all", "--request-timeout", "60", "--warnings", "off", "--no-color"],
    ]);
    assert.equal(code, 0, output);
    const cases = Number(/(\d+) generated/.exec(output)?.[1]);
    assert.ok(cases > 400, output);
  });
});

function run(signal, cwd, args) {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, PYTHONPATH: TOOLS };
    const child = spawn("python3", args, { cwd, env, signal, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}
