// The demo site beside a storage, for the tests that open a page.

import { join } from "node:path";
import { launchChromium } from "../../stack/chromium.mjs";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { makeRunFolder } from "../../stack/run-folder.mjs";
import { Stack } from "../browser/harness.mjs";
import { byItsName } from "./support.mjs";

/** The demo site before a server, for pages of a browser: all of it ends with the test. */
export async function startSite(t, { s3, vars }) {
  const folder = await makeRunFolder();
  t.after(() => folder.remove());
  const browser = await launchChromium();
  t.after(() => browser.close());
  const coordinator = await startCoordinator({
    s3,
    vars,
    assets: new URL("../../demo-site/dist", import.meta.url).pathname,
    durableDir: join(folder.path, "durable"),
    ...byItsName(s3),
  });
  t.after(() => coordinator.stop());
  const url = coordinator.url.replace("127.0.0.1", "localhost");
  return Object.assign(new Stack(), { s3, coordinator, browser, url, folder: folder.path });
}
