import assert from "node:assert/strict";
import { eventually } from "./support.mjs";

/** A WebSocket on the feed, by the platform's own client. */
export class Listener {
  frames = [];
  texts = [];
  /** Fulfilled with the close code. */
  closed;

  static async open(client, since) {
    const listener = new Listener();
    const url = new URL("/v1/events", client.url.replace("http", "ws"));
    if (since !== undefined) url.searchParams.set("since", since);
    listener.socket = new WebSocket(url, ["syncsphere.v1", `bearer.${client.token}`]);
    listener.socket.addEventListener("message", ({ data }) => {
      listener.texts.push(data);
      if (data !== "pong") listener.frames.push(JSON.parse(data));
    });
    listener.closed = new Promise((resolve) => {
      listener.socket.addEventListener("close", ({ code }) => resolve(code), { once: true });
    });
    await new Promise((resolve, reject) => {
      listener.socket.addEventListener("open", resolve, { once: true });
      listener.socket.addEventListener("error", () => reject(new Error("the WebSocket failed")), {
        once: true,
      });
    });
    assert.equal(listener.socket.protocol, "syncsphere.v1");
    await eventually(() => listener.frames.length > 0, "a hello");
    return listener;
  }

  sequence() {
    return this.frames.filter((frame) => frame.type === "change").map((frame) => frame.seq);
  }

  /** Waits for the change with this number, and a moment more for whatever should not come. */
  async until(seq) {
    await eventually(() => this.sequence().includes(seq), `change ${seq}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  close() {
    this.socket.close();
  }
}
