/** How far something has come that grows: the bytes of a stream, the parts of a plan. */
export class Growth {
  #length = 0;
  #isWhole = false;
  #waiting = new Set<() => void>();

  /** So many there are by now. */
  get length(): number {
    return this.#length;
  }

  /** So many there are by now. */
  reach(length: number): void {
    this.#length = length;
    this.#wake();
  }

  /** No more come. */
  end(): void {
    this.#isWhole = true;
    this.#wake();
  }

  /** How many there are, up to `wanted`, once there are so many or no more come. Rejects where the signal fires. */
  async upTo(wanted: number, signal: AbortSignal): Promise<number> {
    while (this.#length < wanted && !this.#isWhole) await this.#change(signal);
    signal.throwIfAborted();
    return Math.min(this.#length, wanted);
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
