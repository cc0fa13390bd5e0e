import { RequestError } from "./request-error.ts";

/** Access tokens for a guest of one workspace, from the coordinator's token endpoint. */
export class GuestTokens {
  readonly #form: Record<string, string>;
  #token = "";
  #goodUntil = 0;
  #pending: Promise<string> | undefined;

  /** Without a secret each token is another guest's. */
  constructor(workspace: string, secret: string | undefined) {
    this.#form = { grant_type: "urn:syncsphere:guest", workspace };
    if (secret) this.#form.guest_secret = secret;
  }

  /** The token in hand, or a new one where that has less than a tenth of its life left. */
  async current(): Promise<string> {
    return Date.now() < this.#goodUntil ? this.#token : this.renew();
  }

  /**
   * A new token. Those who ask at the same time share one request.
   *
   * Throws a `TypeError` where asking again later may help, as `fetch` does without a network: that is what `Uploader`
   * takes as "wait", and `RequestError` where it will not.
   */
  renew(): Promise<string> {
    this.#pending ??= this.#request().finally(() => (this.#pending = undefined));
    return this.#pending;
  }

  async #request(): Promise<string> {
    const response = await fetch("/v1/auth/token", {
      method: "POST",
      body: new URLSearchParams(this.#form),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (response.status === 429 || response.status >= 500) {
      throw new TypeError(`the token endpoint answered ${response.status}`);
    }
    if (!response.ok) throw new RequestError("unauthenticated", "no guest token was granted");
    const reply = (await response.json()) as TokenReply;
    this.#token = reply.access_token;
    this.#goodUntil = Date.now() + reply.expires_in * 900;
    return this.#token;
  }
}

// Source: own choice; the reply takes one signature, not storage.
const REQUEST_TIMEOUT_MS = 15_000;

/** Source: RFC 6749 section 5.1. */
interface TokenReply {
  access_token: string;
  /** Seconds. */
  expires_in: number;
}
