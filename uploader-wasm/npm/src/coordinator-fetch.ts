/** One request to the coordinator, from a page or from the conductor's worker. */
import { COMPLETE_TIMEOUT, REQUEST_TIMEOUT } from "./timeouts.js";

/** How requests get to the coordinator. */
export interface Transport {
  /** Names are in lower case. */
  headers?: Record<string, string>;
  credentials?: RequestCredentials;
  /** The browser's own by default. */
  fetch?: (url: string, init: PlainRequest & { signal: AbortSignal }) => Promise<PlainResponse>;
}

/** What is asked of `fetch`, in a form that can be posted. */
export type PlainRequest = Pick<RequestInit, "method" | "cache" | "credentials"> & {
  headers: Record<string, string>;
  body?: string;
};

/** What is used of an answer. */
export type PlainResponse = Pick<Response, "status" | "text">;

export interface CoordinatorCall {
  method: string;
  path: string;
  /** JSON. */
  body?: string;
  idempotencyKey?: string;
  /** Whether storage may take minutes for it. */
  isSlow?: boolean;
  signal?: AbortSignal | null;
}

/** Sends a request. Rejects where there is no answer: with a `TimeoutError` after the longest wait for one. */
export async function callCoordinator(
  endpoint: string,
  token: string,
  { method, path, body, idempotencyKey, isSlow, signal }: CoordinatorCall,
  { headers: own, credentials, fetch: send = fetch }: Transport,
): Promise<{ status: number; text: string }> {
  // Not `AbortSignal.any`, which Safari has since 17.4 only.
  const deadline = new AbortController();
  const abort = () => deadline.abort(signal?.reason);
  const timeout = () => deadline.abort(new DOMException("no answer", "TimeoutError"));
  const timer = setTimeout(timeout, isSlow ? COMPLETE_TIMEOUT : REQUEST_TIMEOUT);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    const headers: Record<string, string> = {
      ...own,
      authorization: `Bearer ${token}`,
      accept: "application/json",
    };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (idempotencyKey !== undefined) headers["idempotency-key"] = idempotencyKey;
    const init = { method, headers, body, credentials, cache: "no-store" as const, signal: deadline.signal };
    const reply = await send(endpoint + path, init);
    return { status: reply.status, text: await reply.text() };
  } catch (error) {
    // Whatever a `fetch` of the page's rejects with.
    throw deadline.signal.aborted ? deadline.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
