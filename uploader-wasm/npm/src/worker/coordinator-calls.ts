import { callCoordinator, type CoordinatorCall, type Transport } from "../coordinator-fetch.js";
import type { TokenCache } from "./token-cache.js";

/**
 * Longest reply that is looked at.
 *
 * Source: own choice; 10,000 parts of a `GET /v1/uploads/{uploadId}` take about 1.2 MB.
 */
const MAX_REPLY_LENGTH = 8 * 1024 * 1024;

interface CoordinatorReply {
  status: number;
  body: string;
}

type Failure = "network" | "timed_out" | "no_token";

/** Requests to the coordinator, with the page's token. */
export class CoordinatorCalls {
  #endpoint: string;
  #tokens: TokenCache;
  #transport: Transport;

  constructor(endpoint: string, tokens: TokenCache, transport: Transport) {
    this.#endpoint = endpoint;
    this.#tokens = tokens;
    this.#transport = transport;
  }

  /** Asks once; a 401 is answered by asking the page for another token and asking once more. Never rejects. */
  async request(call: CoordinatorCall): Promise<CoordinatorReply | Failure> {
    try {
      const token = await this.#tokens.get();
      const reply = await this.#send(call, token);
      if (typeof reply === "string" || reply.status !== 401) return reply;
      const fresh = await this.#tokens.get(token);
      return fresh === token ? reply : await this.#send(call, fresh);
    } catch (error) {
      // Only getting a token rejects, with a `TypeError` where there is no network for it.
      return error instanceof TypeError ? "network" : "no_token";
    }
  }

  async #send(call: CoordinatorCall, token: string): Promise<CoordinatorReply | Failure> {
    try {
      const { status, text } = await callCoordinator(this.#endpoint, token, call, this.#transport);
      return { status, body: text.length > MAX_REPLY_LENGTH ? "" : text };
    } catch (error) {
      return error instanceof DOMException && error.name === "TimeoutError" ? "timed_out" : "network";
    }
  }
}
