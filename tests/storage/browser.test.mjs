// The page's uploads to every storage: large and small files, byte by byte, with the storage's own CORS.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { join } from "node:path";
import { launchChromium } from "../../stack/chromium.mjs";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { makeRunFolder } from "../../stack/run-folder.mjs";
import { Stack, download, pick, reaches } from "../browser/harness.mjs";
import { ceph, garage, garageByName, seaweed } from "./servers.mjs";
import { byItsName, on } from "./support.mjs";

const MIB = 1024 * 1024;

let browser;
before(async () => (browser = await launchChromium()));
after(() => browser?.close());

for (const server of [seaweed, garage, garageByName, ceph]) {
  on(server, "a page uploads files of every kind, and they come back as they were", async (t) => {
    const stack = await start(t, server);
    const page = await stack.openPage(t);
    const files = [
      await stack.file("empty.bin", 0),
      await stack.file("small.bin", 1000),
      await stack.file("large.bin", 40 * MIB + 1),
    ];
    await pick(page, ...files);
    for (const { name } of files) await reaches(page, name, "available");
    for (const { name, sha256 } of files) assert.equal((await download(page, name)).sha256, sha256, name);
  });
}

async function start(t, server) {
  const folder = await makeRunFolder();
  t.after(() => folder.remove());
  const s3 = await server.start();
  t.after(() => s3.stop());
  const coordinator = await startCoordinator({
    s3,
    vars: server.vars,
    assets: new URL("../../demo-site/dist", import.meta.url).pathname,
    durableDir: join(folder.path, "durable"),
    ...byItsName(s3),
  });
  t.after(() => coordinator.stop());
  const url = coordinator.url.replace("127.0.0.1", "localhost");
  return Object.assign(new Stack(), { s3, coordinator, browser, url, folder: folder.path });
}
