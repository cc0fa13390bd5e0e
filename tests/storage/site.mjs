// The demo site beside a storage, for the tests that open a page.

import { join } from "node:path";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { makeRunFolder } from "../../stack/run-folder.mjs";
import { Stack } from "../browser/harness.mjs";
import { byItsName } from "./support.mjs";

/** A stack of this server, which ends with the test, for pages of this browser. */
export async function startSite(t, server, browser) {
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
