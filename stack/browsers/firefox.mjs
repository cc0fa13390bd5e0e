import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endProcess, spawnGuarded } from "../guard.mjs";
import { killTree } from "./processes.mjs";
import { findProgram, missing, needProgram } from "./programs.mjs";
import { UNTRUSTED_HOST } from "./untrusted-host.mjs";
import { DESKTOP, PHONE } from "./viewports.mjs";

/** Longest wait for the browser to answer its port, in ms. Source: own choice; a busy machine takes tens of seconds. */
const LONGEST_START = 120_000;

/** Stock Firefox, which speaks WebDriver BiDi itself: <https://w3c.github.io/webdriver-bidi/>. */
export class Firefox {
  name = "firefox";
  untrustedHost = UNTRUSTED_HOST;
  #child;
  #connection;
  #ownProfile;
  #pages = new Map();
  #viewport = DESKTOP;

  /** Why there is none here; `undefined` where there is. */
  static whyMissing() {
    return findProgram("FIREFOX_BIN", PLACES) ? undefined : missing("FIREFOX_BIN", "Firefox");
  }

  static async launch({ profile, blockSiteData = false, phone = false }) {
    const browser = new Firefox();
    if (phone) browser.#viewport = PHONE;
    const folder = profile ?? (await mkdtemp(join(tmpdir(), "syncsphere-firefox-")));
    browser.#ownProfile = profile ? undefined : folder;
    const preferences = { ...QUIET, ...(blockSiteData && BLOCKED), ...(phone && FINGER) };
    const lines = Object.entries(preferences).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    );
    await writeFile(join(folder, "user.js"), lines.join(""));
    const child = spawnGuarded(needProgram("FIREFOX_BIN", PLACES, "Firefox"), [
      ...["--headless", "--no-remote", "--new-instance", "--profile", folder],
      ...[`--width=${DESKTOP.width}`, `--height=${DESKTOP.height}`, "--remote-debugging-port=0"],
    ]);
    browser.#child = child;
    browser.pid = child.pid;
    try {
      browser.#connection = await Connection.open(`${await listeningAddress(child)}/session`);
      await browser.#begin();
    } catch (error) {
      await browser.close();
      throw error;
    }
    return browser;
  }

  async newPage() {
    const { context } = await this.#connection.ask("browsingContext.create", { type: "tab" });
    const page = new FirefoxPage(this.#connection, context);
    this.#pages.set(context, page);
    await this.#connection.ask("browsingContext.setViewport", { context, viewport: this.#viewport });
    return page;
  }

  async kill() {
    await killTree(this.pid);
  }

  async close() {
    await Promise.race([
      this.#connection?.ask("browser.close", {}).catch(() => {}),
      new Promise((resolve) => setTimeout(resolve, 5000).unref()),
    ]);
    await endProcess(this.#child);
    if (this.#ownProfile) await rm(this.#ownProfile, { recursive: true, force: true });
  }

  async #begin() {
    const { capabilities } = await this.#connection.ask("session.new", {
      capabilities: { alwaysMatch: { unhandledPromptBehavior: { default: "accept" } } },
    });
    this.version = capabilities.browserVersion;
    this.#connection.onEvent = ({ method, params }) => {
      if (method !== "log.entryAdded") return;
      const { level, text, source } = params;
      this.#pages.get(source.context)?.console.push({ level, text: text ?? "" });
    };
    await this.#connection.ask("session.subscribe", { events: ["log.entryAdded"] });
  }
}

class FirefoxPage {
  console = [];
  #connection;
  #context;

  constructor(connection, context) {
    this.#connection = connection;
    this.#context = context;
  }

  async goto(url) {
    await this.#ask("browsingContext.navigate", { url, wait: "complete" });
  }

  async reload() {
    await this.#ask("browsingContext.reload", { wait: "complete" });
  }

  async back() {
    await this.#ask("browsingContext.traverseHistory", { delta: -1 });
  }

  async cover() {
    const { context } = await this.#connection.ask("browsingContext.create", { type: "tab" });
    return () => this.#connection.ask("browsingContext.close", { context });
  }

  async evaluate(call, ...args) {
    const { type, result, exceptionDetails } = await this.#connection.ask("script.callFunction", {
      functionDeclaration: `async (args) => JSON.stringify({ value: await (${call})(...JSON.parse(args)) })`,
      arguments: [{ type: "string", value: JSON.stringify(args) }],
      awaitPromise: true,
      userActivation: true,
      target: { context: this.#context },
    });
    if (type === "exception") throw new Error(exceptionDetails.text);
    return JSON.parse(result.value).value;
  }

  async setFiles(selector, paths) {
    await this.#ask("input.setFiles", { element: await this.#find(selector), files: paths });
  }

  async click(selector) {
    const element = await this.#find(selector);
    await this.evaluate(async (selector) => {
      const element = document.querySelector(selector);
      // It is pressed where it rests for two frames.
      for (let before, at; before === undefined || before !== at;) {
        before = at;
        element.scrollIntoView({ block: "center", behavior: "instant" });
        await new Promise((resolve) => requestAnimationFrame(resolve));
        at = JSON.stringify(element.getBoundingClientRect());
      }
    }, selector);
    const actions = [
      { type: "pointerMove", x: 0, y: 0, origin: { type: "element", element } },
      { type: "pointerDown", button: 0 },
      { type: "pointerUp", button: 0 },
    ];
    await this.#ask("input.performActions", { actions: [{ type: "pointer", id: "mouse", actions }] });
  }

  async screenshot(path) {
    const { data } = await this.#ask("browsingContext.captureScreenshot", {});
    await writeFile(path, Buffer.from(data, "base64"));
  }

  async close() {
    await this.#ask("browsingContext.close", {});
  }

  async #find(selector) {
    const locator = { type: "css", value: selector };
    const { nodes } = await this.#ask("browsingContext.locateNodes", { locator, maxNodeCount: 1 });
    if (!nodes[0]) throw new Error(`the page has no ${selector}`);
    return { sharedId: nodes[0].sharedId };
  }

  #ask(method, params) {
    return this.#connection.ask(method, { context: this.#context, ...params });
  }
}

/** Commands and their answers over one WebSocket. */
class Connection {
  onEvent = (_event) => {};
  #socket;
  #last = 0;
  #waiting = new Map();

  static async open(url) {
    const connection = new Connection();
    const socket = (connection.#socket = new WebSocket(url));
    socket.onmessage = ({ data }) => connection.#hear(JSON.parse(data));
    socket.onclose = () => connection.#end();
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error(`no WebSocket at ${url}`));
    });
    return connection;
  }

  ask(method, params) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { method, resolve, reject });
      if (this.#socket.readyState === WebSocket.OPEN)
        this.#socket.send(JSON.stringify({ id, method, params }));
      else this.#end();
    });
  }

  #hear({ id, type, result, error, message, ...event }) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return this.onEvent(event);
    this.#waiting.delete(id);
    if (type === "error") waiting.reject(new Error(`${waiting.method}: ${error}: ${message}`));
    else waiting.resolve(result);
  }

  #end() {
    for (const { method, reject } of this.#waiting.values())
      reject(new Error(`${method}: the browser is gone`));
    this.#waiting.clear();
  }
}

/** Firefox says on its standard error where it listens. */
function listeningAddress(child) {
  return new Promise((resolve, reject) => {
    let said = "";
    const fail = (what) => reject(new Error(`Firefox ${what}:\n${said}`));
    const late = setTimeout(fail, LONGEST_START, "does not listen");
    child.once("exit", () => fail("ended"));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (text) => {
        said = (said + text).slice(-10_000);
        const address = /WebDriver BiDi listening on (ws:\S+)/.exec(said)?.[1];
        if (!address) return;
        clearTimeout(late);
        resolve(address);
      });
    }
  });
}

/** `FIREFOX_BIN`, else where Linux distributions and macOS put it. */
const PLACES = [
  "/usr/bin/firefox-esr",
  "/usr/bin/firefox",
  "/Applications/Firefox.app/Contents/MacOS/firefox",
];

/** Nothing in the background, and nothing asked of strangers. Source: `about:config` of Firefox 153. */
const QUIET = {
  "app.normandy.enabled": false,
  "app.update.auto": false,
  "browser.newtabpage.enabled": false,
  "browser.safebrowsing.downloads.remote.enabled": false,
  "browser.safebrowsing.update.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage": "about:blank",
  "browser.startup.page": 0,
  "datareporting.policy.dataSubmissionEnabled": false,
  "dom.security.https_first": false,
  "extensions.systemAddon.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "network.dns.localDomains": UNTRUSTED_HOST,
  "remote.active-protocols": 1,
  "services.settings.server": "data:,#",
  "toolkit.telemetry.reportingpolicy.firstRun": false,
};

/** Source: `nsICookieService`, `BEHAVIOR_REJECT`: what "Block all cookies" of the settings does. */
const BLOCKED = { "network.cookie.cookieBehavior": 2 };

/** Source: `LookAndFeel`'s `PointerCapabilities`, of which 1 is a coarse pointer. */
const FINGER = {
  "dom.w3c_touch_events.enabled": 1,
  "ui.allPointerCapabilities": 1,
  "ui.primaryPointerCapabilities": 1,
};
