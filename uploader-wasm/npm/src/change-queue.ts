import type { UploadError } from "./errors.js";
import type { Change } from "./types.js";

/** Changes that have arrived and wait to be read. */
export class ChangeQueue {
  readonly onLive?: (live: boolean) => void;
  #waiting: Change[] = [];
  #ended = false;
  #error: UploadError | undefined;
  #wake = () => {};

  constructor(onLive?: (live: boolean) => void) {
    this.onLive = onLive;
  }

  push(change: Change): void {
    this.#waiting.push(change);
    this.#wake();
  }

  end(error?: UploadError): void {
    this.#ended = true;
    this.#error = error;
    this.#wake();
  }

  async *read(): AsyncGenerator<Change, void, undefined> {
    for (;;) {
      for (let change; (change = this.#waiting.shift());) yield change;
      if (this.#error) throw this.#error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
