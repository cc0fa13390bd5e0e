/** Work that can be held: what is under way when it is held is given up, and begun anew afterwards. */
export class Gate {
  #hold = new AbortController();
  #opened = Promise.resolve();
  #open = () => {};

  get isClosed(): boolean {
    return this.#hold.signal.aborted;
  }

  close(): void {
    if (this.isClosed) return;
    this.#opened = new Promise((resolve) => (this.#open = resolve));
    this.#hold.abort();
  }

  open(): void {
    if (!this.isClosed) return;
    this.#hold = new AbortController();
    this.#open();
  }

  /** What `work` gives, which has to be repeatable. Rejects as it does, and with the signal's reason. */
  async run<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      await this.pass(signal);
      const held = this.#hold.signal;
      const end = new AbortController();
      const abort = () => end.abort(signal.reason);
      for (const one of [held, signal]) one.addEventListener("abort", abort);
      try {
        return await work(end.signal);
      } catch (error) {
        if (signal.aborted || !held.aborted) throw error;
      } finally {
        for (const one of [held, signal]) one.removeEventListener("abort", abort);
      }
    }
  }

  /** Fulfilled while it is open. Rejects where the signal fires. */
  async pass(signal: AbortSignal): Promise<void> {
    while (this.isClosed && !signal.aborted) await Promise.race([this.#opened, fired(signal)]);
    signal.throwIfAborted();
  }
}

function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
