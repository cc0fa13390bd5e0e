import type { ConductorOptions } from "./messages.js";
import type { UploaderOptions } from "./types.js";

const MIB = 1024 * 1024;

/** What the conductor needs of the options. Throws a `TypeError` or `RangeError` on unusable ones. */
export function checkOptions(options: UploaderOptions): ConductorOptions {
  const {
    endpoint,
    token,
    concurrency,
    partSize,
    integrity,
    retry,
    workers,
    maxRate,
    persist = true,
  } = options;
  checkToken(token);
  if (integrity !== undefined && integrity !== "crc64nvme" && integrity !== "none") {
    throw new TypeError('integrity must be "crc64nvme" or "none"');
  }
  const fixed = concurrency === "adaptive" ? undefined : concurrency;
  checkInteger("concurrency", fixed, 1, 64);
  checkInteger("partSize", partSize, 5 * MIB, 5 * 1024 * MIB);
  checkInteger("workers", workers, 1, 16);
  checkMaxRate(maxRate);
  checkInteger("retry.maxAttempts", retry?.maxAttempts, 1, 1000);
  for (const name of ["baseDelay", "maxDelay", "outagePatience"] as const) {
    checkInteger(`retry.${name}`, retry?.[name], 0, Number.MAX_SAFE_INTEGER);
  }
  return {
    endpoint: resolveEndpoint(endpoint),
    concurrency: fixed,
    partSize,
    integrity,
    retry,
    maxRate,
    persist,
    ...checkTransport(options),
    ownFetch: options.fetch !== undefined,
  };
}

/** How requests get to the coordinator, in a form that can be posted. Throws a `TypeError` on unusable options. */
export function checkTransport({
  headers,
  credentials,
  fetch,
}: Pick<UploaderOptions, "headers" | "credentials" | "fetch">): Pick<
  ConductorOptions,
  "headers" | "credentials"
> {
  if (credentials !== undefined && !["omit", "same-origin", "include"].includes(credentials)) {
    throw new TypeError('credentials must be "omit", "same-origin" or "include"');
  }
  if (fetch !== undefined && typeof fetch !== "function") throw new TypeError("fetch must be a function");
  return { headers: headers && Object.fromEntries(new Headers(headers)), credentials };
}

/** Throws a `TypeError` on what is no token and no source of tokens. */
export function checkToken(token: unknown): void {
  if (typeof token !== "string" && typeof token !== "function") {
    throw new TypeError("token must be a string or a function");
  }
}

/** A token of the page's. Rejects with whatever its function throws, and where that gives no text. */
export async function callTokenSource(source: UploaderOptions["token"]): Promise<string> {
  const token: unknown = typeof source === "function" ? await source() : source;
  // Asking again would give the same.
  if (typeof token !== "string")
    throw Object.assign(new Error("token() gave no string"), { retryable: false });
  return token;
}

/** Throws a `RangeError` on what is no limit in bytes a second. */
export function checkMaxRate(rate: number | undefined): void {
  checkInteger("maxRate", rate, 1, Number.MAX_SAFE_INTEGER);
}

/** Throws a `RangeError` on what is no priority. */
export function checkPriority(priority: number | undefined): void {
  checkInteger("priority", priority, -1000, 1000);
}

function checkInteger(name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined) return;
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name} must be a whole number from ${least} to ${most}`);
  }
}

/** Workers resolve relative addresses against their own script, so the page does it for them. */
export function resolveEndpoint(endpoint: string | URL): string {
  const { origin, pathname } = new URL(endpoint, globalThis.document?.baseURI);
  return origin + pathname.replace(/\/+$/, "");
}
