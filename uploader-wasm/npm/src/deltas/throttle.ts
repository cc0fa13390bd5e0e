/** Calls something soon after it is asked to, and not more often than once in so many ms. */
export class Throttle {
  #interval: number;
  #call: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(interval: number, call: () => void) {
    this.#interval = interval;
    this.#call = call;
  }

  request(): void {
    this.#timer ??= setTimeout(() => this.flush(), this.#interval);
  }

  /** Calls now what was asked for. */
  flush(): void {
    if (this.#timer === undefined) return;
    this.cancel();
    this.#call();
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
