import { REQUEST_TIMEOUT, COMPLETE_TIMEOUT } from "../timeouts.js";
import type { TokenCache } from "./token-cache.js";

/**
 * Longest reply that is looked at.
 *
 * Source: own choice; 10,000 parts of a `GET /v1/uploads/{uploadId}` take about 1.2 MB.
 */
const MAX_REPLY_LENGTH = 8 * 1024 * 1024;

/** One request, as the engine words it. */
interface CoordinatorRequest {
  method: string;
  path: string;
  body: string | undefined;
  idempotencyKey: string | undefined;
  isSlow: boolean;
}

interface CoordinatorReply {
  status: number;
  body: string;
}

type Failure = "network" | "timed_out" | "no_token";

/** Requests to the coordinator, with the page's token. */
export class CoordinatorCalls {
  #endpoint: string;
  #tokens: TokenCache;

  constructor(endpoint: string, tokens: TokenCache) {
    this.#endpoint = endpoint;
    this.#tokens = tokens;
  }

  /** Asks once; a 401 is answered by asking the page for another token and asking once more. Never rejects. */
  async request(request: CoordinatorRequest): Promise<CoordinatorReply | Failure> {
    try {
      const token = await this.#tokens.get();
      const reply = await this.#send(request, token);
      if (typeof reply === "string" || reply.status !== 401) return reply;
      const fresh = await this.#tokens.get(token);
      return fresh === token ? reply : await this.#send(request, fresh);
    } catch (error) {
      // Only getting a token rejects, with a `TypeError` where there is no network for it.
      return error instanceof TypeError ? "network" : "no_token";
    }
  }

  async #send(request: CoordinatorRequest, token: string): Promise<CoordinatorReply | Failure> {
    const { method, path, body, idempotencyKey, isSlow } = request;
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), isSlow ? COMPLETE_TIMEOUT : REQUEST_TIMEOUT);
    try {
      const headers = new Headers({ authorization: `Bearer ${token}` });
      if (body !== undefined) headers.set("content-type", "application/json");
      if (idempotencyKey !== undefined) headers.set("idempotency-key", idempotencyKey);
      const { signal } = deadline;
      const reply = await fetch(this.#endpoint + path, { method, headers, body, cache: "no-store", signal });
      const text = await reply.text();
      return { status: reply.status, body: text.length > MAX_REPLY_LENGTH ? "" : text };
    } catch {
      return deadline.signal.aborted ? "timed_out" : "network";
    } finally {
      clearTimeout(timer);
    }
  }
}
