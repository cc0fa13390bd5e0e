/** What the coordinator says in an error besides its code. */
import { problems } from "./coordinator-client.js";
import type { UploadError } from "./errors.js";

/** How long the coordinator wants to be left alone, in ms. */
export function retryDelay(error: UploadError): number | undefined {
  const seconds = problems.get(error)?.retryAfter;
  return typeof seconds === "number" ? seconds * 1000 : undefined;
}

/** The parts that the error is about, where it names some. */
export function namedParts(error: UploadError): number[] {
  const parts = problems.get(error)?.parts;
  return Array.isArray(parts) ? parts.map(Number) : [];
}
