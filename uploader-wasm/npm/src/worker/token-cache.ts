import type { TokenAnswer } from "../messages.js";

/**
 * Longest wait of one request for the page's `token()`, in ms. The question stays open: a person may be logging in.
 *
 * Source: own choice; a page may be busy for a while, but a request to an identity provider has failed
 * by then.
 */
const TOKEN_TIMEOUT = 60_000;

/** The page's access token, asked for once and kept until the coordinator no longer takes it. */
export class TokenCache {
  #requestToken: (id: number) => void;
  #token: string | undefined;
  #pending: Promise<string> | undefined;
  #lastRequest = 0;
  #resolve: (answer: TokenAnswer) => void = () => {};

  /** `ask` tells the page to call `answer` with the same id. */
  constructor(ask: (id: number) => void) {
    this.#requestToken = ask;
  }

  /**
   * A token other than `stale`, unless the page knows no other. Rejects with a `TypeError` where
   * asking again later may help, as `fetch` does without a network. The page is asked one question at a time, and its
   * answer counts however late it comes.
   */
  get(stale?: string): Promise<string> {
    if (this.#token !== undefined && this.#token !== stale) return Promise.resolve(this.#token);
    this.#pending ??= this.#fetch().finally(() => (this.#pending = undefined));
    return withTimeout(this.#pending);
  }

  answer(id: number, answer: TokenAnswer): void {
    if (id === this.#lastRequest) this.#resolve(answer);
  }

  async #fetch(): Promise<string> {
    const answer = await new Promise<TokenAnswer>((resolve) => {
      this.#resolve = resolve;
      this.#requestToken(++this.#lastRequest);
    });
    if ("token" in answer) return (this.#token = String(answer.token));
    throw answer.offline
      ? new TypeError("no network to get a token over")
      : new Error("the page gave no token");
  }
}

async function withTimeout(token: Promise<string>): Promise<string> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TypeError("the page has not given a token yet")), TOKEN_TIMEOUT);
  });
  try {
    return await Promise.race([token, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
