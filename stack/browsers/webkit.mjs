import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { endProcess, spawnGuarded } from "../guard.mjs";
import { freePorts } from "../ports.mjs";
import { killTree } from "./processes.mjs";
import { DISPLAY_SERVER, startDisplay } from "./display.mjs";
import { findProgram, missing, needProgram } from "./programs.mjs";
import { DESKTOP, PHONE } from "./viewports.mjs";

const GUARD = fileURLToPath(new URL("../guard.sh", import.meta.url));

/** Longest wait for the driver to answer, in ms. Source: own choice. */
const LONGEST_START = 120_000;

/** Longest wait for a page to load, in ms. Source: own choice, for a busy machine. */
const LONGEST_LOAD = 120_000;

/** The key of an element in WebDriver's JSON. Source: <https://www.w3.org/TR/webdriver2/#elements>. */
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

/**
 * WebKitGTK's MiniBrowser by WebKitWebDriver, on a display that nobody sees. Its profile is always temporary: a
 * MiniBrowser that is driven keeps nothing.
 */
export class WebKit {
  name = "webkit";
  /** It has no setting for names; written in this way, 127.0.0.1 is no address that it trusts. */
  untrustedHost = "[::ffff:127.0.0.1]";
  #display;
  #driver;
  #address;
  #session;
  /** The window that it starts with, which stays: without one, a session can do nothing. */
  #first;
  /** Commands go to one tab at a time, and which one is a state of the session. */
  #turn = Promise.resolve();
  #current;
  #viewport = DESKTOP;

  /** Why there is none here; `undefined` where there is. */
  static whyMissing() {
    for (const [variable, places, what] of [BROWSER, DRIVER, DISPLAY_SERVER]) {
      if (!findProgram(variable, places)) return missing(variable, what);
    }
    return undefined;
  }

  static async launch({ profile, blockSiteData, phone }) {
    if (profile) throw new Error("MiniBrowser keeps no profile while it is driven");
    if (blockSiteData) throw new Error("MiniBrowser cannot block site data");
    const browser = new WebKit();
    if (phone) browser.#viewport = PHONE;
    try {
      browser.#display = await startDisplay();
      await browser.#startDriver();
      await browser.#begin();
    } catch (error) {
      await browser.close();
      throw error;
    }
    return browser;
  }

  async newPage() {
    // A window and no tab: of a tab that is not in front there is no screenshot.
    const { handle } = await this.#askOf(this.#first, "POST", "/window/new", { type: "window" });
    await this.#askOf(handle, "POST", "/window/rect", this.#viewport);
    return new WebKitPage(handle, (...command) => this.#askOf(...command));
  }

  async kill() {
    await killTree(this.pid);
  }

  async close() {
    if (this.#session) {
      await Promise.race([
        this.#ask("DELETE", "").catch(() => {}),
        new Promise((resolve) => setTimeout(resolve, 5000).unref()),
      ]);
    }
    if (this.#driver) {
      await killTree(this.#driver.pid);
      await endProcess(this.#driver, 0);
    }
    await this.#display?.stop();
  }

  async #startDriver() {
    const [port] = await freePorts(1);
    this.#address = `http://127.0.0.1:${port}`;
    this.#driver = spawnGuarded(needProgram(...DRIVER), [`--port=${port}`], {
      env: { ...process.env, ...ENVIRONMENT, DISPLAY: this.#display.name },
    });
    this.pid = this.#driver.pid;
    this.#driver.once("error", () => {});
    this.#driver.stdout.resume();
    this.#driver.stderr.resume();
    const deadline = Date.now() + LONGEST_START;
    while (!(await fetch(`${this.#address}/status`).catch(() => undefined))?.ok) {
      if (Date.now() > deadline) throw new Error("WebKitWebDriver does not answer");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #begin() {
    const { sessionId, capabilities } = await this.#request("POST", "/session", {
      capabilities: {
        alwaysMatch: {
          browserName: "MiniBrowser",
          unhandledPromptBehavior: "accept",
          "webkitgtk:browserOptions": {
            // The driver starts it, so it has to be told itself to end with the driver.
            binary: GUARD,
            args: [needProgram(...BROWSER), "--automation"],
          },
        },
      },
    });
    this.#session = sessionId;
    this.version = capabilities.browserVersion;
    await this.#ask("POST", "/timeouts", { script: 300_000, pageLoad: LONGEST_LOAD });
    this.#first = this.#current = await this.#ask("GET", "/window");
  }

  /** One command for one tab, when all before it have been answered. */
  async #askOf(handle, ...command) {
    const answer = this.#turn.then(async () => {
      if (this.#current !== handle) await this.#ask("POST", "/window", { handle });
      this.#current = handle;
      return await this.#ask(...command);
    });
    this.#turn = answer.catch(() => {});
    return await answer;
  }

  #ask(method, path, body) {
    return this.#request(method, `/session/${this.#session}${path}`, body);
  }

  async #request(method, path, body) {
    const reply = await fetch(this.#address + path, { method, body: body && JSON.stringify(body) });
    const { value } = await reply.json();
    if (!reply.ok) throw new Error(`${method} ${path}: ${value?.error}: ${value?.message}`);
    return value;
  }
}

class WebKitPage {
  #ask;
  #askOf;

  constructor(handle, askOf) {
    this.#askOf = askOf;
    this.#ask = (...command) => askOf(handle, ...command);
  }

  async goto(url) {
    await this.#ask("POST", "/url", { url });
  }

  async reload() {
    await this.#ask("POST", "/refresh", {});
  }

  async back() {
    await this.#ask("POST", "/back", {});
  }

  async cover() {
    const { handle } = await this.#ask("POST", "/window/new", { type: "tab" });
    return () => this.#askOf(handle, "DELETE", "/window");
  }

  async evaluate(call, ...args) {
    const script = `
      const [args, done] = arguments;
      (async () => (${call})(...JSON.parse(args)))().then(
        (value) => done(JSON.stringify({ value })),
        (error) => done(JSON.stringify({ error: String(error) })),
      );`;
    const { value, error } = JSON.parse(
      await this.#ask("POST", "/execute/async", { script, args: [JSON.stringify(args)] }),
    );
    if (error) throw new Error(error);
    return value;
  }

  async setFiles(selector, paths) {
    await this.#ask("POST", `/element/${await this.#find(selector)}/value`, { text: paths.join("\n") });
  }

  async click(selector) {
    await this.#ask("POST", `/element/${await this.#find(selector)}/click`, {});
  }

  async screenshot(path) {
    await writeFile(path, Buffer.from(await this.#ask("GET", "/screenshot"), "base64"));
  }

  async close() {
    await this.#ask("DELETE", "/window");
  }

  async #find(selector) {
    const found = await this.#ask("POST", "/element", { using: "css selector", value: selector });
    return found[ELEMENT];
  }
}

/** The browser: `WEBKIT_BIN`, else where Debian and Fedora put it. */
const BROWSER = [
  "WEBKIT_BIN",
  [
    "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser",
    "/usr/lib/aarch64-linux-gnu/webkit2gtk-4.1/MiniBrowser",
    "/usr/libexec/webkit2gtk-4.1/MiniBrowser",
  ],
  "WebKitGTK MiniBrowser",
];

/** Its driver. */
const DRIVER = ["WEBKIT_DRIVER", ["/usr/bin/WebKitWebDriver"], "WebKitWebDriver"];

/** Root has no sandbox, and every page we open is our own; no graphics card, no accessibility bus. */
const ENVIRONMENT = {
  GDK_BACKEND: "x11",
  LIBGL_ALWAYS_SOFTWARE: "1",
  NO_AT_BRIDGE: "1",
  WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1",
};
