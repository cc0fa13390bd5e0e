// Workers that note what they are sent, where there is no browser: the page's side of the package, alone.

import { once, EventEmitter } from "node:events";

export class FakeWorkers {
  /** Options of an `Uploader` that uses them. */
  options;
  /** Called with everything that the conductor is sent. */
  onMessage;
  /** What the conductor was started with. */
  start;
  #conductor;
  #received = [];
  #news = new EventEmitter();

  constructor(t) {
    // Lanes and conductor are told of channels that nobody reads.
    const module = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
    this.options = { workers: 1, wasmModule: module, createWorker: () => this.#make() };
    t.after(() => this.#news.removeAllListeners());
  }

  /** What the conductor says to the page. */
  say(message) {
    this.#conductor.onmessage({ data: message });
  }

  /** What the conductor has been sent of this type, once that are so many. */
  async messages(type, count) {
    for (;;) {
      const found = this.#received.filter((message) => message.type === type);
      if (found.length >= count) return found;
      await once(this.#news, "message", { signal: AbortSignal.timeout(10_000) });
    }
  }

  #make() {
    const worker = {
      terminate() {},
      postMessage: (message, transfer = []) => {
        if (message.type === "start") {
          if (message.role === "conductor") {
            this.#conductor = worker;
            this.start = message;
          }
          for (const port of transfer) port.close();
          return;
        }
        // As a browser does, which cannot copy everything.
        this.#received.push(message.file instanceof Blob ? cloned(message) : structuredClone(message));
        this.onMessage?.(message);
        if (message.type === "close") this.say({ type: "closed" });
        this.#news.emit("message");
      },
    };
    return worker;
  }
}

/** Node copies no `File`s, and has no handles. */
function cloned({ file, handle: _handle, ...rest }) {
  return { ...structuredClone(rest), file };
}
