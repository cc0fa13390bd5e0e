/**
 * Makes a worker of the script at the address that the page has told, else as `make` does, whose script lies at `usual`.
 * Browsers make none of a script of another host, but of a `blob:` that imports it, where the page's Content Security Policy
 * lets them.
 */
export function workerOf(told: string | URL | undefined, usual: URL, make: () => Worker): Worker {
  const url = addressOf(told, usual);
  // Its few bytes are kept: some browsers read them late.
  const script = isElsewhere(url)
    ? URL.createObjectURL(new Blob([`import "${url}"`], { type: "text/javascript" }))
    : told;
  return script ? new Worker(script, { type: "module" }) : make();
}

/** Where the script is. Where a bundler has made another one of it, this copy lies beside that. */
export function addressOf(told: string | URL | undefined, usual: URL): URL {
  return new URL(told ?? usual, location.href);
}

/** Whether it is on another host than the page. */
export function isElsewhere({ origin }: URL): boolean {
  return /^http/.test(origin) && origin !== location.origin;
}
