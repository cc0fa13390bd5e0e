import type { UploaderOptions } from "./types.js";
import { addressOf, isElsewhere, workerOf } from "./worker-of.js";

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

/** Makes one of the workers. */
export function createWorker({ createWorker, workerUrl }: UploaderOptions): Worker {
  if (createWorker) return createWorker();
  return workerOf(
    workerUrl,
    new URL("./worker.js", import.meta.url),
    // Bundlers look for exactly this expression.
    () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
  );
}

/** What is at the place of the worker's script, if that is the reason. */
export async function whyNotLoaded({
  createWorker,
  workerUrl,
}: UploaderOptions): Promise<LoadFailure | undefined> {
  if (createWorker) return undefined;
  const url = addressOf(workerUrl, new URL("./worker.js", import.meta.url));
  const response = await fetch(url).catch(() => undefined);
  const isScript = response?.ok && /script/.test(response.headers.get("content-type") ?? "");
  if (response && !isScript) return notThere("worker.js", response);
  if (!isElsewhere(url)) return undefined;
  return new LoadFailure(
    `worker.js is at ${url.origin}: allow worker-src blob: and it, or use workerUrl, createWorker or /inline`,
  );
}
