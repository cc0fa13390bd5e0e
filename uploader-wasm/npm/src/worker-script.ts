import type { UploaderOptions } from "./types.js";

/** Why a file of the package could not be loaded, in words for whoever has built the page. */
export class LoadFailure extends Error {}

/** A server gave something else in place of a file, often a page of the site. */
export function notThere(
  what: string,
  { url, status, headers }: Response,
  options?: ErrorOptions,
): LoadFailure {
  const type = headers.get("content-type") ?? "no type";
  const place = url.split(/[?#]/)[0];
  return new LoadFailure(`${what} is not at ${place}: the answer was HTTP ${status}, ${type}`, options);
}

/**
 * Makes one of the workers. Browsers make none of a script of another host, but of a `blob:` that imports it, where the
 * page's Content Security Policy lets them.
 */
export function createWorker({ createWorker, workerUrl }: UploaderOptions): Worker {
  if (createWorker) return createWorker();
  const url = scriptUrl(workerUrl);
  // Its few bytes are kept: some browsers read them late.
  const script = isElsewhere(url)
    ? URL.createObjectURL(new Blob([`import "${url}"`], { type: "text/javascript" }))
    : workerUrl;
  if (script) return new Worker(script, { type: "module" });
  // Bundlers look for exactly this expression.
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}

/** What is at the place of the worker's script, if that is the reason. */
export async function whyNotLoaded({
  createWorker,
  workerUrl,
}: UploaderOptions): Promise<LoadFailure | undefined> {
  if (createWorker) return undefined;
  const url = scriptUrl(workerUrl);
  const response = await fetch(url).catch(() => undefined);
  const isScript = /script/.test(response?.headers.get("content-type") ?? "");
  if (response && !(response.ok && isScript)) return notThere("worker.js", response);
  const { origin } = url;
  const message = `worker.js is at ${origin}: allow worker-src blob: and it, or use workerUrl, createWorker or /inline`;
  return isElsewhere(url) ? new LoadFailure(message) : undefined;
}

/** Where the worker's script is. Where a bundler has made another one of it, this copy lies beside that. */
function scriptUrl(workerUrl: string | URL | undefined): URL {
  return workerUrl ? new URL(workerUrl, location.href) : new URL("./worker.js", import.meta.url);
}

function isElsewhere({ origin }: URL): boolean {
  return /^http/.test(origin) && origin !== location.origin;
}
