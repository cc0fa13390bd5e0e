import { Chromium } from "./chromium.mjs";
import { Firefox } from "./firefox.mjs";
import { WebKit } from "./webkit.mjs";

/** The engines by name. */
const ENGINES = { chromium: Chromium, firefox: Firefox, webkit: WebKit };

/** The names of the engines that `launchBrowser` knows. */
export const ENGINE_NAMES = Object.keys(ENGINES);

/** Why this engine's browser cannot be started here; `undefined` where it can. */
export function whyMissing(name) {
  return ENGINES[name].whyMissing();
}

/**
 * Starts the system's browser of this engine, without a window, that cannot outlive this process.
 *
 * With `profile`, a folder, the browser keeps there what pages store, so that the next one with the same folder finds it;
 * without, the profile is temporary. `blockSiteData` refuses pages all storage of their own. `phone` makes pages narrow and,
 * where the engine can say so, steered by a finger. An engine that cannot do one of the first two throws.
 *
 * @param {"chromium" | "firefox" | "webkit"} name
 * @param {{profile?: string, blockSiteData?: boolean, phone?: boolean}} [options]
 * @returns {Promise<Browser>}
 */
export async function launchBrowser(name, options = {}) {
  return await ENGINES[name].launch(options);
}

/**
 * What every engine's browser does.
 * @typedef {{
 *   name: string, version: string, pid: number, untrustedHost: string,
 *   newPage: () => Promise<Page>,
 *   close: () => Promise<void>,
 *   kill: () => Promise<void>,
 * }} Browser `untrustedHost` is this machine to the browser, and no place that has a secure context by plain HTTP. `newPage` opens a tab; `kill` ends all processes by SIGKILL, as a crash does, and leaves the profile
 *
 * What every engine's tab does. `evaluate` calls a function in the page with arguments, and gives back its result, both
 * as JSON; it must end soon, for an engine may do nothing else meanwhile. `console` lists what the page wrote and threw,
 * where the engine tells that; WebKitGTK does not.
 * `setFiles` puts the files of these paths into an `<input>`. `tap` is a finger's click, where the driver can: of touches by
 * WebDriver, Firefox and WebKitGTK make none. `back` goes to the page before, `cover` puts an empty tab in front, `freeze` does what
 * browsers do in the end to tabs that nobody looks at, where the driver can; what these two give makes it undone. `screenshot` writes a PNG file of what is to be seen.
 * @typedef {{
 *   console?: {level: string, text: string}[],
 *   goto: (url: string) => Promise<void>,
 *   reload: () => Promise<void>,
 *   back: () => Promise<void>,
 *   cover: () => Promise<() => Promise<void>>,
 *   freeze?: () => Promise<() => Promise<void>>,
 *   evaluate: (call: Function, ...args: unknown[]) => Promise<unknown>,
 *   setFiles: (selector: string, paths: string[]) => Promise<void>,
 *   click: (selector: string) => Promise<void>,
 *   tap?: (selector: string) => Promise<void>,
 *   screenshot: (path: string) => Promise<void>,
 *   close: () => Promise<void>,
 * }} Page
 */
