import type { PlainRequest, PlainResponse } from "../coordinator-fetch.js";
import type { ToPage } from "../messages.js";

type Settle = (reply: { status: number; text: string } | undefined) => void;

/** Has the page's own `fetch` send requests, for a function cannot be posted to a worker. */
export class PageFetch {
  #post: (message: ToPage) => void;
  #lastId = 0;
  #pending = new Map<number, Settle>();

  constructor(post: (message: ToPage) => void) {
    this.#post = post;
  }

  readonly fetch = async (
    url: string,
    { signal, ...init }: PlainRequest & { signal: AbortSignal },
  ): Promise<PlainResponse> => {
    signal.throwIfAborted();
    const id = ++this.#lastId;
    const cancel = () => {
      this.#post({ type: "cancelFetch", id });
      this.settle(id, undefined);
    };
    signal.addEventListener("abort", cancel);
    const reply = await new Promise<Parameters<Settle>[0]>((resolve) => {
      this.#pending.set(id, resolve);
      this.#post({ type: "fetch", id, url, init });
    });
    signal.removeEventListener("abort", cancel);
    if (!reply) throw new TypeError("the page's fetch failed");
    return { status: reply.status, text: async () => reply.text };
  };

  /** What the page's `fetch` gave; `undefined` where it failed. */
  settle(id: number, reply: Parameters<Settle>[0]): void {
    this.#pending.get(id)?.(reply);
    this.#pending.delete(id);
  }
}
