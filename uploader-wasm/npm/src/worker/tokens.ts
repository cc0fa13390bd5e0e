import type { TokenAnswer } from "../messages.js";

/**
 * Longest wait for the page's `token()`, in ms.
 *
 * Source: own choice; a page may be busy for a while, but a request to an identity provider has failed
 * by then.
 */
const PATIENCE = 60_000;

/** The page's access token, asked for once and kept until the coordinator no longer takes it. */
export class Tokens {
  #ask: (id: number) => void;
  #known: string | undefined;
  #pending: Promise<string> | undefined;
  #questions = 0;
  #answered: (answer: TokenAnswer) => void = () => {};

  /** `ask` tells the page to call `answer` with the same id. */
  constructor(ask: (id: number) => void) {
    this.#ask = ask;
  }

  /**
   * A token other than `stale`, unless the page knows no other. Rejects with a `TypeError` where
   * asking again later may help, as `fetch` does without a network.
   */
  get(stale?: string): Promise<string> {
    if (this.#known !== undefined && this.#known !== stale) return Promise.resolve(this.#known);
    this.#pending ??= this.#fetch().finally(() => (this.#pending = undefined));
    return this.#pending;
  }

  answer(id: number, answer: TokenAnswer): void {
    if (id === this.#questions) this.#answered(answer);
  }

  async #fetch(): Promise<string> {
    const answer = await new Promise<TokenAnswer>((resolve) => {
      const timer = setTimeout(resolve, PATIENCE, { offline: true });
      this.#answered = (answer) => {
        clearTimeout(timer);
        resolve(answer);
      };
      this.#ask(++this.#questions);
    });
    if ("token" in answer) return (this.#known = String(answer.token));
    throw answer.offline
      ? new TypeError("no network to get a token over")
      : new Error("the page gave no token");
  }
}
