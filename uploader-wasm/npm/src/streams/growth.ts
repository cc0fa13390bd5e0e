/** How far a stream has been kept. */
export class Growth {
  #bytes = 0;
  #isWhole = false;
  #waiting = new Set<() => void>();

  /** Bytes that have been kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** So many have been kept by now. */
  reach(bytes: number): void {
    this.#bytes = bytes;
    this.#wake();
  }

  /** No more come. */
  end(): void {
    this.#isWhole = true;
    this.#wake();
  }

  /** How many bytes there are up to `wanted`, once there are so many or no more come. Rejects where the signal fires. */
  async upTo(wanted: number, signal: AbortSignal): Promise<number> {
    while (this.#bytes < wanted && !this.#isWhole) await this.#change(signal);
    signal.throwIfAborted();
    return Math.min(this.#bytes, wanted);
  }

  #change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting.delete(go);
        reject(signal.reason);
      };
      const go = () => {
        signal.removeEventListener("abort", abort);
        resolve();
      };
      this.#waiting.add(go);
      signal.addEventListener("abort", abort);
    });
  }

  #wake(): void {
    const woken = [...this.#waiting];
    this.#waiting.clear();
    for (const go of woken) go();
  }
}
