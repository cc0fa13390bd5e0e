// Runs the demo for `cargo xtask demo`: settings come as one line of JSON on standard input, what happens goes out as
// JSON lines on standard output, and the end of standard input ends everything.

import { join } from "node:path";
import { createInterface } from "node:readline";
import { startCoordinator } from "./coordinator.mjs";
import { setUpDatabase, untilFileArrives } from "./database.mjs";
import { makeRunFolder } from "./run-folder.mjs";
import { startSeaweed } from "./seaweed.mjs";
import { readBack, uploadThroughPage } from "./unattended.mjs";

const cleanUps = [];
let ending;

const input = createInterface({ input: process.stdin });
input.once("line", (line) => void main(JSON.parse(line)));
input.once("close", () => void end(0));
// Ctrl-C reaches the whole process group; xtask then closes our standard input, and that is what ends us in order.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => void end(0));
process.on("unhandledRejection", (error) => void fail(error));

async function main(settings) {
  try {
    const url = await startStack(settings);
    tell({ type: "ready", url });
    if (settings.uploads.length > 0) {
      const verified = await uploadAndReadBack(url, settings);
      await end(verified ? 0 : 1);
    }
  } catch (error) {
    await fail(error);
  }
}

async function startStack({ port, s3: external, dataDir, databaseUrl }) {
  if (databaseUrl) await setUp(databaseUrl);
  const s3 = external ?? (await startSeaweed({ dataDir: dataDir && join(dataDir, "s3") }));
  if (!external) cleanUps.push(() => s3.stop());

  const coordinator = await startCoordinator({
    s3,
    port,
    edge: false,
    durableDir: dataDir ? join(dataDir, "workspaces") : await temporaryFolder(),
    databaseUrl,
    vars: webhooks(),
    onLog: ({ level, message }) => {
      if (level === "error" || level === "warn") tell({ type: "log", text: message });
    },
  });
  cleanUps.push(() => coordinator.stop());
  return coordinator.url.replace("127.0.0.1", "localhost");
}

/** Those that the environment names, which may be on this machine. */
function webhooks() {
  const { WEBHOOKS } = process.env;
  return WEBHOOKS ? { WEBHOOKS, WEBHOOK_LOOPBACK: "on" } : {};
}

async function setUp(databaseUrl) {
  try {
    await setUpDatabase(databaseUrl);
  } catch (error) {
    throw new Error(`the database of --database-url cannot be set up: ${error.message || error.code}`);
  }
}

async function uploadAndReadBack(url, { uploads, databaseUrl }) {
  let complete = true;
  for await (const upload of uploadThroughPage(url, uploads, tell)) {
    try {
      if (upload.error) throw new Error(upload.error);
      const found = await readBack(url, upload, tell);
      if (databaseUrl) await untilFileArrives(databaseUrl, found.fileId);
      tell({ type: "readBack", file: upload.file, ...found });
    } catch (error) {
      complete = false;
      tell({ type: "failed", file: upload.file, error: error.message });
    }
  }
  return complete;
}

async function temporaryFolder() {
  const folder = await makeRunFolder();
  cleanUps.push(() => folder.remove());
  return folder.path;
}

function tell(event) {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

async function fail(error) {
  if (ending) return;
  process.stderr.write(`error: ${explained(error)}\n`);
  await end(1);
}

function explained(error) {
  if (error.code === "ERR_ADDRESS_IN_USE") return "the port is taken: choose another with --port";
  return error.message;
}

/** Stops in the reverse order of starting, whatever fails. */
function end(exitCode) {
  ending ??= (async () => {
    for (const cleanUp of cleanUps.reverse()) {
      await cleanUp().catch((error) => process.stderr.write(`while stopping: ${error.message}\n`));
    }
    process.exit(exitCode);
  })();
  return ending;
}
