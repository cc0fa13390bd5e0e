/** What this browser's guest is known again by: a secret of their own, which a link carries to another device of theirs. */

const KEY = "guest";

/** Source: docs/api.md, `guest_secret`. */
const FORM = /^[\w-]{22,128}$/;

// Source: own choice; 192 bits are 32 characters without padding.
const BYTES = 24;

/** The secret that is kept here, made at the first time; `undefined` where the browser keeps nothing. */
export function keptSecret(): string | undefined {
  try {
    const kept = localStorage.getItem(KEY) ?? "";
    if (FORM.test(kept)) return kept;
    const made = newSecret();
    localStorage.setItem(KEY, made);
    return made;
  } catch {
    return undefined;
  }
}

/** From now on this browser's guest is the one with this secret: load the page anew. */
export function keepSecret(secret: string): void {
  localStorage.setItem(KEY, secret);
}

/** This page's address, for another device of the same guest. What follows `#` is sent to no server. */
export function linkWith(secret: string): string {
  const link = new URL(location.href);
  link.hash = `${KEY}=${secret}`;
  return link.href;
}

/** The secret that the page's address carries, which it loses at once: addresses are seen, kept and passed on. */
export function takeSecretFromAddress(): string | undefined {
  const secret = new URLSearchParams(location.hash.slice(1)).get(KEY);
  if (secret === null) return undefined;
  history.replaceState(history.state, "", location.pathname + location.search);
  return FORM.test(secret) ? secret : undefined;
}

function newSecret(): string {
  const random = String.fromCharCode(...crypto.getRandomValues(new Uint8Array(BYTES)));
  return btoa(random).replaceAll("+", "-").replaceAll("/", "_");
}
