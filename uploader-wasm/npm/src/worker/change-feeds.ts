import type { ToPage } from "../messages.js";
import type { Change } from "../types.js";
import type { TokenCache } from "./token-cache.js";

/** Longest wait before connecting again, in ms; the first is a second, and each is a random part of it. */
const MAX_RECONNECT_DELAY = 30_000;

/**
 * Pause between two pings, in ms; a connection that is silent from one to the next is dead. Source: own choice, below
 * the minute after which networks forget an idle connection. The server answers without waking up.
 */
const PING_INTERVAL = 25_000;

/** What the server sends. Source: `protocol/src/changes.rs`. */
type FeedMessage = Change | { type: "hello"; seq: number };

/** The page's open change feeds. */
export class ChangeFeeds {
  #endpoint: string;
  #tokens: TokenCache;
  #post: (message: ToPage) => void;
  #pingInterval: number;
  #open = new Map<number, FeedConnection>();

  constructor(
    endpoint: string,
    tokens: TokenCache,
    post: (message: ToPage) => void,
    pingInterval = PING_INTERVAL,
  ) {
    this.#endpoint = endpoint.replace(/^http/, "ws");
    this.#tokens = tokens;
    this.#post = post;
    this.#pingInterval = pingInterval;
  }

  open(feed: number, since: number | undefined): void {
    this.#open.set(
      feed,
      new FeedConnection(feed, this.#endpoint, this.#tokens, this.#post, since, this.#pingInterval),
    );
  }

  close(feed: number): void {
    this.#open.get(feed)?.close();
    this.#open.delete(feed);
  }

  setOnline(online: boolean): void {
    if (online) for (const feed of this.#open.values()) feed.networkIsBack();
  }
}

/** One feed: a connection at a time, each going on where the last one ended. */
class FeedConnection {
  #number: number;
  #endpoint: string;
  #tokens: TokenCache;
  #post: (message: ToPage) => void;
  #last: number | undefined;
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setInterval> | undefined;
  #pingInterval: number;
  #failures = 0;
  /** The token of a connection that was never greeted: the server may have refused it. */
  #suspectToken: string | undefined;
  #closed = false;

  constructor(
    number: number,
    endpoint: string,
    tokens: TokenCache,
    post: (message: ToPage) => void,
    since: number | undefined,
    pingInterval: number,
  ) {
    this.#number = number;
    this.#endpoint = endpoint;
    this.#tokens = tokens;
    this.#post = post;
    this.#last = since;
    this.#pingInterval = pingInterval;
    void this.#connect();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#pingTimer);
    this.#socket?.close();
  }

  /** Connects now if it waits to; an attempt under way may still fail by what was before, and is repeated soon. */
  networkIsBack(): void {
    this.#failures = 0;
    if (this.#timer !== undefined) this.#reconnect();
  }

  #reconnect(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    void this.#connect();
  }

  async #connect(): Promise<void> {
    let token: string;
    try {
      token = await this.#tokens.get(this.#suspectToken);
    } catch (error) {
      if (error instanceof TypeError) return this.#retry(undefined);
      const failure = {
        code: "unauthenticated",
        message: "the page gave no access token",
        retryable: false,
      } as const;
      return this.#post({ type: "feedFailed", feed: this.#number, failure });
    }
    if (this.#closed) return;
    const query = this.#last === undefined ? "" : `?since=${this.#last}`;
    const socket = new WebSocket(`${this.#endpoint}/v1/events${query}`, ["syncsphere.v1", `bearer.${token}`]);
    this.#socket = socket;
    // A browser does not tell a page why a connection was refused.
    this.#suspectToken = token;
    let silent = false;
    socket.onmessage = (event) => {
      silent = false;
      this.#receive(socket, event.data);
    };
    socket.onclose = () => this.#retry(socket);
    this.#pingTimer = setInterval(() => {
      // Not by `onclose`: a browser waits long for the other side to agree.
      if (silent) this.#retry(socket);
      silent = true;
      if (socket.readyState === 1) socket.send("ping");
    }, this.#pingInterval);
  }

  #receive(socket: WebSocket, text: unknown): void {
    if (socket !== this.#socket || this.#closed) return;
    const message = parseMessage(text);
    if (!message) return;
    if (message.type === "hello") {
      this.#failures = 0;
      this.#suspectToken = undefined;
      this.#last ??= message.seq;
      this.#reportLive(true);
      return;
    }
    const last = this.#last ?? message.seq - 1;
    if (message.type === "change" && message.seq <= last) return;
    // A gap cannot be filled on this connection; the next one starts before it.
    if (message.type === "change" && message.seq > last + 1) return socket.close();
    this.#last = message.seq;
    this.#post({ type: "change", feed: this.#number, change: message });
  }

  #retry(socket: WebSocket | undefined): void {
    if (socket !== this.#socket || this.#closed) return;
    this.#socket = undefined;
    clearInterval(this.#pingTimer);
    socket?.close();
    this.#reportLive(false);
    const longest = Math.min(MAX_RECONNECT_DELAY, 1000 * 2 ** this.#failures++);
    this.#timer = setTimeout(() => this.#reconnect(), Math.random() * longest);
  }

  #reportLive(live: boolean): void {
    this.#post({ type: "feedLive", feed: this.#number, live });
  }
}

function parseMessage(text: unknown): FeedMessage | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const message = JSON.parse(text) as Partial<FeedMessage>;
    const known = message.type === "hello" || message.type === "change" || message.type === "reset";
    return known && Number.isSafeInteger(message.seq) ? (message as FeedMessage) : undefined;
  } catch {
    return undefined;
  }
}
