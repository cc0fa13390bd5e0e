// `cargo xtask demo` as people and scripts use it: what it prints, how it ends, and what it leaves behind.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, readlink, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { freePorts } from "../../stack/ports.mjs";
import { startPostgres } from "../../stack/postgres.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";

const XTASK = process.env.SYNCSPHERE_XTASK ?? "target/debug/xtask";

let folder;
before(async () => (folder = await mkdtemp(join(tmpdir(), "demo-test-"))));
after(() => rm(folder, { recursive: true }));

test("uploads files of every size and name, reads them back, and says so in JSON", async () => {
  const sameName = join(folder, "same name");
  await mkdir(sameName);
  const files = {
    empty: Buffer.alloc(0),
    "one byte": Buffer.from("x"),
    "größe 大きい + 100% #1 'quoted' \"twice\" & more.bin": randomBytes(300_000),
    [`${"n".repeat(251)}.bin`]: randomBytes(1000),
    "several parts.bin": randomBytes(20_000_000),
    "same name/one byte": Buffer.from("y"),
  };
  const paths = [];
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), content);
    paths.push(join(folder, name));
  }

  const { code, lines, stderr } = await demo(["--upload", ...paths]);
  assert.equal(code, 0, stderr);
  assert.equal(lines.length, paths.length);
  const results = lines.map((line) => JSON.parse(line));
  for (const [path, content] of Object.entries(files)) {
    const name = path.split("/").at(-1);
    const result = results.find((line) => line.name === name && line.size === content.length);
    assert.ok(result, `no line for ${name}`);
    assert.equal(result.verified, true);
    assert.match(result.crc64nvme, /^[A-Za-z0-9+/]{11}=$/);
    assert.ok(result.seconds > 0 && result.mbPerSecond >= 0);
  }
  const ids = new Set(results.map((result) => result.fileId));
  assert.equal(ids.size, results.length, "every file has an id of its own");
});

test("makes the tables of a database and puts what was uploaded there", async () => {
  const database = await startPostgres({ tables: false });
  try {
    const path = join(folder, "for the database.bin");
    await writeFile(path, randomBytes(1000));
    const { code, lines, stderr } = await demo(["--upload", path, "--database-url", database.url]);
    assert.equal(code, 0, stderr);
    const { fileId, crc64nvme } = JSON.parse(lines[0]);
    const rows = await database.query("SELECT file_id, name, size::int, status, crc64nvme FROM files");
    const expected = {
      file_id: fileId,
      name: "for the database.bin",
      size: 1000,
      status: "available",
      crc64nvme,
    };
    assert.deepEqual(rows, [expected]);
  } finally {
    await database.stop();
  }
});

test("says what is wrong with a database, and not with which password", async () => {
  const [port] = await freePorts(1);
  const url = `postgres://somebody:s3cret@127.0.0.1:${port}/db`;
  const { code, stderr } = await demo(["--upload", process.execPath, "--database-url", url]);
  assert.equal(code, 1);
  assert.match(stderr, /error: the database of --database-url cannot be set up/);
  assert.ok(!stderr.includes("s3cret"));
});

test("refuses what is no file, before it starts anything", async () => {
  const { code, lines, stderr } = await demo(["--upload", join(folder, "missing")]);
  assert.equal(code, 1);
  assert.deepEqual(lines, []);
  assert.match(stderr, /missing/);
});

test("uses an S3 server that is there, and names what it lacks", async () => {
  const s3 = await startSeaweed();
  try {
    const file = join(folder, "external.bin");
    await writeFile(file, randomBytes(1000));
    const options = ["--s3-endpoint", s3.endpoint, "--upload", file];

    const lacking = await demo(options, {
      S3_ACCESS_KEY_ID: s3.accessKeyId,
      S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
    });
    assert.equal(lacking.code, 1);
    assert.match(lacking.stderr, /S3_BUCKET/);

    const { code, stderr } = await demo(options, {
      S3_ACCESS_KEY_ID: s3.accessKeyId,
      S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
      S3_BUCKET: s3.bucket,
      S3_REGION: s3.region,
    });
    assert.equal(code, 0, stderr);
    const stored = await s3.client.send(new ListObjectsV2Command({ Bucket: s3.bucket }));
    assert.deepEqual(
      stored.Contents.map((object) => object.Size),
      [1000],
    );
  } finally {
    await s3.stop();
  }
});

test("serves people on the port they name, beside another demo, and ends cleanly on Ctrl-C", async () => {
  const ports = await freePorts(2);
  const demos = await Promise.all(ports.map((port) => serving(["--port", String(port)])));
  for (const [index, { url }] of demos.entries()) {
    assert.equal(url, `http://localhost:${ports[index]}`);
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    assert.match(await (await fetch(url)).text(), /data-testid="file-input"/);
  }

  const taken = await demo(["--port", String(ports[0])]);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /port/);

  const processes = (await Promise.all(demos.map(({ child }) => descendants(child.pid)))).flat();
  assert.ok(processes.length >= 8, "each runs xtask, node, weed and workerd");
  const before = await runFolders();
  for (const { child } of demos) {
    child.kill("SIGINT");
    const [code] = await once(child, "exit");
    assert.equal(code, 0);
  }
  await allGone(processes);
  assert.ok((await runFolders()).length <= before.length - 2, "temporary folders are removed");
});

test("keeps files and metadata in the folder it is given", async () => {
  const data = join(folder, "kept data");
  const file = join(folder, "kept.bin");
  await writeFile(file, randomBytes(1000));
  const first = await demo(["--data", data, "--upload", file]);
  assert.equal(first.code, 0, first.stderr);
  const { fileId } = JSON.parse(first.lines[0]);

  const [port] = await freePorts(1);
  const { child, url } = await serving(["--data", data, "--port", String(port)]);
  const token = await (
    await fetch(`${url}/v1/auth/token`, {
      method: "POST",
      body: new URLSearchParams({ grant_type: "urn:syncsphere:guest" }),
    })
  ).json();
  const content = await fetch(`${url}/v1/files/${fileId}/content`, {
    headers: { authorization: `Bearer ${token.access_token}` },
  });
  assert.deepEqual(Buffer.from(await content.arrayBuffer()), await readFile(file));
  child.kill("SIGINT");
  await once(child, "exit");
});

test("leaves no process behind when it is killed outright in the middle of an upload", async () => {
  const file = join(folder, "large.bin");
  await writeFile(file, "");
  await truncate(file, 8 * 2 ** 30);

  const child = start(["--upload", file]);
  const wanted = ["xtask", "node", "weed", "workerd", "chrom"];
  let processes = [];
  while (!wanted.every((name) => processes.some(({ command }) => command.includes(name)))) {
    assert.equal(child.exitCode, null, `it ended too early: ${child.told}`);
    await delay(100);
    processes = await descendants(child.pid);
  }
  await once(child.stderr, "data"); // the upload gets on

  child.kill("SIGKILL");
  await once(child, "exit");
  await allGone(processes);
});

function start(args, env = {}) {
  const child = spawn(XTASK, ["demo", ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.told = "";
  child.stderr.on("data", (chunk) => (child.told += chunk));
  return child;
}

/** Runs a demo to its end. */
async function demo(args, env) {
  const child = start(args, env);
  const lines = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  const [code] = await once(child, "close");
  return { code, lines, stderr: child.told };
}

/** A demo that runs until it is ended, once it told its address. */
async function serving(args) {
  const child = start(args);
  for await (const line of createInterface({ input: child.stdout })) {
    const url = line.match(/http:\/\/\S+/)?.[0];
    if (url) return { child, url };
  }
  throw new Error(`the demo told no address: ${child.told}`);
}

/** The process and all that it started, itself first. Reads Linux's /proc. */
async function descendants(root) {
  const processes = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const all = (await Promise.all(processes.map(Number).map(status))).filter(Boolean);
  const found = all.filter(({ pid }) => pid === root);
  for (const parent of found) found.push(...all.filter((process) => process.parent === parent.pid));
  return found;
}

async function status(pid) {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const command = state === "Z" ? "" : basename(await readlink(`/proc/${pid}/exe`));
    return { pid, command, state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}

/** Ended processes may stay in the table as zombies where nobody collects them. */
async function allGone(processes) {
  const deadline = Date.now() + 10_000;
  for (const { pid, command } of processes) {
    for (;;) {
      const now = await status(pid);
      if (!now || now.state === "Z" || now.command !== command) break;
      assert.ok(Date.now() < deadline, `${command} (${pid}) still runs`);
      await delay(50);
    }
  }
}

async function runFolders() {
  return (await readdir(tmpdir())).filter((name) => name.startsWith("syncsphere-run-"));
}
