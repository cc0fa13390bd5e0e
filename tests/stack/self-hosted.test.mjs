// docs/guides/self-hosted.md, followed to the letter: its configuration in bare workerd, and doctor.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import workerd from "workerd";
import { freePorts } from "../../stack/ports.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";

const XTASK = process.env.SYNCSPHERE_XTASK ?? "target/debug/xtask";
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ORIGIN = "https://app.example.com";

test("the coordinator runs in bare workerd as the guide says, and doctor has nothing to mend", async () => {
  const s3 = await startSeaweed();
  const folder = await mkdtemp(join(tmpdir(), "self-hosted-test-"));
  let server;
  try {
    const [port] = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    await mkdir(join(folder, "ledgers"));
    await cp(join(ROOT, "edge-coordinator", "build"), join(folder, "build"), { recursive: true });
    const config = (await fromGuide())
      .replace("127.0.0.1:8080", `127.0.0.1:${port}`)
      .replace("/srv/coordinator", join(folder, "ledgers"))
      .replace("https://s3.example.com", s3.endpoint)
      .replace(/(\(name = "S3_BUCKET", text = )"[^"]*"/, `$1"${s3.bucket}"`)
      .replaceAll("https://uploads.example.com", url);
    await writeFile(join(folder, "coordinator.capnp"), config);

    const secret = randomBytes(24).toString("base64url");
    server = spawn(workerd.default ?? workerd, ["serve", join(folder, "coordinator.capnp")], {
      env: {
        S3_ACCESS_KEY_ID: s3.accessKeyId,
        S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
        AUTH_SIGNING_KEY: randomBytes(32).toString("base64"),
        AUTH_CLIENTS: JSON.stringify([client(secret)]),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let told = "";
    for (const stream of [server.stdout, server.stderr]) stream.on("data", (chunk) => (told += chunk));
    await untilItAnswers(url, server, () => told);

    const reply = await fetch(`${url}/v1/auth/token`, {
      method: "POST",
      headers: { authorization: `Basic ${Buffer.from(`backend:${secret}`).toString("base64")}` },
      body: new URLSearchParams({
        grant_type: "client_credentials",
        sub: "doctor",
        workspace: "team-doctor",
      }),
    });
    const env = { ...process.env, SYNCSPHERE_TOKEN: (await reply.json()).access_token };
    const args = ["doctor", "--json", "--endpoint", url, "--origin", ORIGIN];
    const { stdout } = await promisify(execFile)(XTASK, args, { env }).catch((error) => error);
    const { findings } = JSON.parse(stdout);
    assert.deepEqual(
      findings.filter(({ verdict }) => verdict !== "ok"),
      [],
    );
    assert.ok(findings.length > 20);
  } finally {
    if (server?.exitCode === null) {
      server.kill("SIGKILL");
      await once(server, "exit");
    }
    await s3.stop();
    await rm(folder, { recursive: true });
  }
});

async function fromGuide() {
  const guide = await readFile(join(ROOT, "docs", "guides", "self-hosted.md"), "utf8");
  return /```capnp\n(.*?)```/s.exec(guide)[1];
}

function client(secret) {
  const salt = randomBytes(16);
  const hash = pbkdf2Sync(secret, salt, 2000, 32, "sha256");
  const base64 = (bytes) => bytes.toString("base64");
  return {
    id: "backend",
    secretHash: `$pbkdf2-sha256$i=2000$${base64(salt)}$${base64(hash)}`,
    scopes: ["files:read", "files:write"],
    workspaces: ["team-*"],
  };
}

async function untilItAnswers(url, server, told) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    if (server.exitCode !== null) throw new Error(`workerd ended: ${told()}`);
    try {
      return await (await fetch(`${url}/.well-known/jwks.json`)).arrayBuffer();
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`workerd does not answer: ${told()}`, { cause: error });
      await delay(50);
    }
  }
}
