import { once } from "node:events";
import { Worker } from "node:worker_threads";

/**
 * A slow line in front of a server: TCP connections pass byte by byte, later and more slowly. It runs in a thread of
 * its own, so that nothing else here disturbs its timing, and ends with this process.
 *
 * @param {{target: string}} options `target` is the server's address, as a URL
 */
export async function startLink({ target }) {
  const { hostname, port } = new URL(target);
  const thread = new Worker(new URL("./link-thread.mjs", import.meta.url), {
    workerData: { host: hostname, port: Number(port) },
  });
  thread.unref();
  const [listening] = await once(thread, "message");
  return new Link(thread, listening.port);
}

class Link {
  #thread;
  #port;

  constructor(thread, port) {
    this.#thread = thread;
    this.#port = port;
  }

  /** The address that clients connect to. */
  get endpoint() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /**
   * What connections have from now on: a round trip of `roundTripMs` (a new one costs one more), and bytes a second
   * towards the server, each connection and all together. What is left out is unlimited.
   */
  async shape({ roundTripMs = 0, perConnection = Infinity, total = Infinity } = {}) {
    await this.#ask({ type: "shape", roundTripMs, perConnection, total });
  }

  /**
   * What clients sent since the last call: how many bytes, and when the first PUT request came in, as `Date.now()` tells time;
   * undefined if none did.
   */
  async traffic() {
    return await this.#ask({ type: "traffic" });
  }

  async stop() {
    await this.#thread.terminate();
  }

  async #ask(question) {
    this.#thread.postMessage(question);
    const [answer] = await once(this.#thread, "message");
    return answer;
  }
}
