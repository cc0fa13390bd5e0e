/**
 * Keeps the screen on, and so a phone's page alive, while it is held. A browser takes the lock away whenever the page is
 * out of sight, and may refuse it (battery, permissions): uploads go on without it as well as they can.
 */
export class WakeLock {
  #held = false;
  #sentinel: Promise<WakeLockSentinel | undefined> | undefined;
  #onVisible = () => this.#request();

  hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    if (held) {
      document.addEventListener("visibilitychange", this.#onVisible);
      this.#request();
    } else {
      document.removeEventListener("visibilitychange", this.#onVisible);
      void this.#sentinel?.then((sentinel) => sentinel?.release());
      this.#sentinel = undefined;
    }
  }

  #request(): void {
    if (document.visibilityState === "visible")
      this.#sentinel = navigator.wakeLock?.request("screen").catch(() => undefined);
  }
}
