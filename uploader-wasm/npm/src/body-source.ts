import type { BodySource } from "./messages.js";

/**
 * Where the bodies of requests come from in this browser.
 *
 * The file itself is faster and leaner, but WebKit may never end a request whose body is backed by a
 * file, although the server has answered; an `ArrayBuffer` ends, which other browsers send many times
 * slower. Every browser on WebKit names Apple as its vendor, and
 * only a page can ask, for workers have no `navigator.vendor`.
 *
 * It cannot be tried out instead: `docs/browsers.md` says why.
 *
 * Source: <https://github.com/unraid/webgui/pull/2645>, <https://github.com/rommapp/romm/issues/3379>, of Safari 26.5
 * <https://github.com/rommapp/romm/issues/4203>, of Safari 26.4 <https://github.com/rustfs/rustfs/issues/2401>;
 * HTML, `navigator.vendor`: <https://html.spec.whatwg.org/multipage/system-state.html#dom-navigator-vendor>
 */
export function bodySource(): BodySource {
  return navigator.vendor?.startsWith("Apple") ? "memory" : "file";
}
