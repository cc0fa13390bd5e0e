import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

/**
 * Starts the system's Chromium, headless, with a fresh profile. It dies with this process: Playwright holds its
 * debugging pipe, and Chromium ends when that closes.
 *
 * @param {{args?: string[]} & import("playwright-core").LaunchOptions} [options] passed on to Playwright; `args` are added to ours
 * @returns {Promise<import("playwright-core").Browser>}
 */
export async function launchChromium({ args = [], ...options } = {}) {
  return await chromium.launch({
    executablePath: chromiumPath(),
    headless: true,
    args: [...FLAGS, ...args],
    ...options,
  });
}

/** The browser: `CHROME_BIN`, else where Linux distributions and macOS put it. */
export function chromiumPath() {
  const found = [process.env.CHROME_BIN, ...USUAL_PLACES].find((path) => path && existsSync(path));
  if (!found) throw new Error("no Chromium found: install it, or set CHROME_BIN to its path");
  return found;
}

const USUAL_PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** What every Chromium of ours is started with. */
export const FLAGS = [
  "--no-sandbox", // root has no sandbox, and every page we open is our own
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Else each window loads pages of the browser's own beside ours, which cost more than ours do.
  "--disable-features=WebUIOmniboxAimPopup,WebUIOmniboxPopup,WebUIOmniboxFullPopup",
];
