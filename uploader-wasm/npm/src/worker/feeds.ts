import type { ToPage } from "../messages.js";
import type { Change } from "../types.js";
import type { Tokens } from "./tokens.js";

/** Longest wait before connecting again, in ms; the first is a second, and each is a random part of it. */
const LONGEST_WAIT = 30_000;

/**
 * Pause between two pings, in ms; a connection that is silent from one to the next is dead. Source: own choice, below
 * the minute after which networks forget an idle connection. The server answers without waking up.
 */
const BEAT = 25_000;

/** What the server sends. Source: `protocol/src/changes.rs`. */
type Frame = Change | { type: "hello"; seq: number };

/** The page's open change feeds. */
export class Feeds {
  #endpoint: string;
  #tokens: Tokens;
  #say: (message: ToPage) => void;
  #beat: number;
  #open = new Map<number, Feed>();

  constructor(endpoint: string, tokens: Tokens, say: (message: ToPage) => void, beat = BEAT) {
    this.#endpoint = endpoint.replace(/^http/, "ws");
    this.#tokens = tokens;
    this.#say = say;
    this.#beat = beat;
  }

  open(feed: number, since: number | undefined): void {
    this.#open.set(feed, new Feed(feed, this.#endpoint, this.#tokens, this.#say, since, this.#beat));
  }

  close(feed: number): void {
    this.#open.get(feed)?.close();
    this.#open.delete(feed);
  }

  network(online: boolean): void {
    if (online) for (const feed of this.#open.values()) feed.hurry();
  }
}

/** One feed: a connection at a time, each going on where the last one ended. */
class Feed {
  #number: number;
  #endpoint: string;
  #tokens: Tokens;
  #say: (message: ToPage) => void;
  #last: number | undefined;
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pulse: ReturnType<typeof setInterval> | undefined;
  #beat: number;
  #failures = 0;
  /** The token of a connection that was never greeted: the server may have refused it. */
  #doubted: string | undefined;
  #closed = false;

  constructor(
    number: number,
    endpoint: string,
    tokens: Tokens,
    say: (message: ToPage) => void,
    since: number | undefined,
    beat: number,
  ) {
    this.#number = number;
    this.#endpoint = endpoint;
    this.#tokens = tokens;
    this.#say = say;
    this.#last = since;
    this.#beat = beat;
    void this.#connect();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#pulse);
    this.#socket?.close();
  }

  /** Connects now, if it waits to. */
  hurry(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    void this.#connect();
  }

  async #connect(): Promise<void> {
    let token: string;
    try {
      token = await this.#tokens.get(this.#doubted);
    } catch (error) {
      if (error instanceof TypeError) return this.#retry(undefined);
      const failure = {
        code: "unauthenticated",
        message: "the page gave no access token",
        retryable: false,
      } as const;
      return this.#say({ type: "feedFailed", feed: this.#number, failure });
    }
    if (this.#closed) return;
    const query = this.#last === undefined ? "" : `?since=${this.#last}`;
    const socket = new WebSocket(`${this.#endpoint}/v1/events${query}`, ["syncsphere.v1", `bearer.${token}`]);
    this.#socket = socket;
    // A browser does not tell a page why a connection was refused.
    this.#doubted = token;
    let silent = false;
    socket.onmessage = (event) => {
      silent = false;
      this.#hear(socket, event.data);
    };
    socket.onclose = () => this.#retry(socket);
    this.#pulse = setInterval(() => {
      // Not by `onclose`: a browser waits long for the other side to agree.
      if (silent) this.#retry(socket);
      silent = true;
      if (socket.readyState === 1) socket.send("ping");
    }, this.#beat);
  }

  #hear(socket: WebSocket, text: unknown): void {
    if (socket !== this.#socket || this.#closed) return;
    const frame = parse(text);
    if (!frame) return;
    if (frame.type === "hello") {
      this.#failures = 0;
      this.#doubted = undefined;
      this.#last ??= frame.seq;
      this.#tell(true);
      return;
    }
    const last = this.#last ?? frame.seq - 1;
    if (frame.type === "change" && frame.seq <= last) return;
    // A gap cannot be filled on this connection; the next one starts before it.
    if (frame.type === "change" && frame.seq > last + 1) return socket.close();
    this.#last = frame.seq;
    this.#say({ type: "change", feed: this.#number, change: frame });
  }

  #retry(socket: WebSocket | undefined): void {
    if (socket !== this.#socket || this.#closed) return;
    this.#socket = undefined;
    clearInterval(this.#pulse);
    socket?.close();
    this.#tell(false);
    const longest = Math.min(LONGEST_WAIT, 1000 * 2 ** this.#failures++);
    this.#timer = setTimeout(() => this.hurry(), Math.random() * longest);
  }

  #tell(live: boolean): void {
    this.#say({ type: "feedLive", feed: this.#number, live });
  }
}

function parse(text: unknown): Frame | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const frame = JSON.parse(text) as Partial<Frame>;
    const known = frame.type === "hello" || frame.type === "change" || frame.type === "reset";
    return known && Number.isSafeInteger(frame.seq) ? (frame as Frame) : undefined;
  } catch {
    return undefined;
  }
}
