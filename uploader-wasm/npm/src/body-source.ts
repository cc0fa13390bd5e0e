import type { BodySource } from "./messages.js";

/**
 * Where the bodies of requests come from in this browser.
 *
 * The file itself is faster and leaner, but Safari may never end a request whose body is backed by a
 * file, although the server has answered; an `ArrayBuffer` ends, which other browsers send many times
 * slower. Every browser on WebKit names Apple as its vendor, and only a page can ask, for workers have no
 * `navigator.vendor`. On Linux, requests of WebKit (WebKitGTK, WPE) go by another network stack, which ends them all.
 *
 * It cannot be tried out instead: `docs/browsers.md` says why.
 *
 * Source: <https://github.com/unraid/webgui/pull/2645>, <https://github.com/rommapp/romm/issues/3379>, of Safari 26.5
 * <https://github.com/rommapp/romm/issues/4203>, of Safari 26.4 <https://github.com/rustfs/rustfs/issues/2401>;
 * HTML, `navigator.vendor` and `navigator.platform`: <https://html.spec.whatwg.org/multipage/system-state.html#client-identification>
 */
export function bodySource(): BodySource {
  return /^Apple/.test(navigator.vendor) && !/^Linux/.test(navigator.platform) ? "memory" : "file";
}
