import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { FLAGS, chromiumPath } from "../chromium.mjs";
import { killTree, processTree } from "./processes.mjs";
import { UNTRUSTED_HOST } from "./untrusted-host.mjs";
import { DESKTOP, PHONE } from "./viewports.mjs";

/** Longest wait for the browser and for its pages, in ms. Source: own choice, for a busy machine. */
const LONGEST_WAIT = 120_000;

/** Chromium by Playwright. */
export class Chromium {
  name = "chromium";
  untrustedHost = UNTRUSTED_HOST;
  #context;
  #ownProfile;

  /** Every suite needs it: where it is missing, its start says so. */
  static whyMissing() {
    return undefined;
  }

  static async launch({ profile, blockSiteData = false, phone = false }) {
    const browser = new Chromium();
    const folder = profile ?? (await mkdtemp(join(tmpdir(), "syncsphere-chromium-")));
    browser.#ownProfile = profile ? undefined : folder;
    if (blockSiteData) await writePreferences(folder, BLOCKED);
    const before = new Set(await processTree(process.pid));
    browser.#context = await chromium.launchPersistentContext(folder, {
      executablePath: chromiumPath(),
      headless: true,
      timeout: LONGEST_WAIT,
      args: [...FLAGS, `--host-resolver-rules=MAP ${UNTRUSTED_HOST} 127.0.0.1`],
      // Playwright would switch off what people's browsers have.
      ignoreDefaultArgs: ["--disable-back-forward-cache"],
      ...(phone ? { viewport: PHONE, isMobile: true, hasTouch: true } : { viewport: DESKTOP }),
    });
    browser.version = browser.#context.browser().version();
    // Playwright does not tell; it is our one new child.
    const started = (await processTree(process.pid)).filter((pid) => !before.has(pid));
    browser.pid = started[0];
    return browser;
  }

  async newPage() {
    return new ChromiumPage(await this.#context.newPage());
  }

  async kill() {
    await killTree(this.pid);
  }

  async close() {
    await this.#context.close().catch(() => {}); // it was killed
    if (this.#ownProfile) await rm(this.#ownProfile, { recursive: true, force: true });
  }
}

class ChromiumPage {
  console = [];
  #page;

  constructor(page) {
    this.#page = page;
    page.setDefaultTimeout(LONGEST_WAIT);
    page.on("console", (message) => this.console.push({ level: message.type(), text: message.text() }));
    page.on("pageerror", (error) => this.console.push({ level: "error", text: String(error.stack) }));
  }

  async goto(url) {
    await this.#page.goto(url);
  }

  async reload() {
    await this.#page.reload();
  }

  async back() {
    // Playwright would wait for a load, and a page that was kept does not load.
    await this.#page.evaluate("history.back()");
  }

  async cover() {
    const front = await this.#page.context().newPage();
    await front.bringToFront();
    return () => front.close();
  }

  async freeze() {
    const lifecycle = await this.#page.context().newCDPSession(this.#page);
    await lifecycle.send("Page.setWebLifecycleState", { state: "frozen" });
    return () => lifecycle.send("Page.setWebLifecycleState", { state: "active" });
  }

  async evaluate(call, ...args) {
    const text = await this.#page.evaluate(
      `(async () => JSON.stringify({ value: await (${call})(...${JSON.stringify(args)}) }))()`,
    );
    return JSON.parse(text).value;
  }

  async setFiles(selector, paths) {
    await this.#page.locator(selector).first().setInputFiles(paths);
  }

  async click(selector) {
    await this.#page.locator(selector).first().click();
  }

  async tap(selector) {
    await this.#page.locator(selector).first().tap();
  }

  async screenshot(path) {
    await this.#page.screenshot({ path });
  }

  async close() {
    await this.#page.close();
  }
}

/**
 * Source: Chromium's `ContentSettingsType`, `cookies`, which covers all that a site stores; 2 is
 * `CONTENT_SETTING_BLOCK`: <https://source.chromium.org/chromium/chromium/src/+/main:components/content_settings/core/common/content_settings.h>
 */
const BLOCKED = { profile: { default_content_setting_values: { cookies: 2 } } };

async function writePreferences(profile, preferences) {
  await mkdir(join(profile, "Default"), { recursive: true });
  await writeFile(join(profile, "Default", "Preferences"), JSON.stringify(preferences));
}
