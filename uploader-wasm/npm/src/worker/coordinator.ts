import { PATIENCE, PATIENCE_FOR_COMPLETE } from "../patience.js";
import type { Tokens } from "./tokens.js";

/**
 * Longest answer that is looked at.
 *
 * Source: own choice; 10,000 parts of a `GET /v1/uploads/{uploadId}` take about 1.2 MB.
 */
const LONGEST_ANSWER = 8 * 1024 * 1024;

/** One request, as the engine words it. */
interface Question {
  method: string;
  path: string;
  body: string | undefined;
  idempotencyKey: string | undefined;
  isSlow: boolean;
}

interface Answer {
  status: number;
  body: string;
}

type Failure = "network" | "timed_out" | "no_token";

/** Requests to the coordinator, with the page's token. */
export class Coordinator {
  #endpoint: string;
  #tokens: Tokens;

  constructor(endpoint: string, tokens: Tokens) {
    this.#endpoint = endpoint;
    this.#tokens = tokens;
  }

  /** Asks once; a 401 is answered by asking the page for another token and asking once more. Never rejects. */
  async ask(question: Question): Promise<Answer | Failure> {
    try {
      const token = await this.#tokens.get();
      const answer = await this.#exchange(question, token);
      if (typeof answer === "string" || answer.status !== 401) return answer;
      const fresh = await this.#tokens.get(token);
      return fresh === token ? answer : await this.#exchange(question, fresh);
    } catch (error) {
      // Only getting a token rejects, with a `TypeError` where there is no network for it.
      return error instanceof TypeError ? "network" : "no_token";
    }
  }

  async #exchange(question: Question, token: string): Promise<Answer | Failure> {
    const { method, path, body, idempotencyKey, isSlow } = question;
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), isSlow ? PATIENCE_FOR_COMPLETE : PATIENCE);
    try {
      const headers = new Headers({ authorization: `Bearer ${token}` });
      if (body !== undefined) headers.set("content-type", "application/json");
      if (idempotencyKey !== undefined) headers.set("idempotency-key", idempotencyKey);
      const { signal } = deadline;
      const reply = await fetch(this.#endpoint + path, { method, headers, body, cache: "no-store", signal });
      const text = await reply.text();
      return { status: reply.status, body: text.length > LONGEST_ANSWER ? "" : text };
    } catch {
      return deadline.signal.aborted ? "timed_out" : "network";
    } finally {
      clearTimeout(timer);
    }
  }
}
