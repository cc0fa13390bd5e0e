/** What is waited out by uploads of streams, which cannot be asked for again, and by downloads. */
import { UploadError } from "./errors.js";
import { pause } from "./pause.js";
import { retryDelay } from "./problem-details.js";
import type { RetryOptions } from "./types.js";

/** Source: the defaults of `RetryOptions`. */
const MAX_ATTEMPTS = 8;
const BASE_DELAY = 500;
const MAX_DELAY = 20_000;
const OUTAGE_PATIENCE = 3_600_000;

/** Repeats what fails for a passing reason, as `RetryOptions` says. */
export class Patience {
  #options: Required<RetryOptions>;
  #signal: AbortSignal;
  #delayOf: typeof retryDelay;

  /** Nothing is waited for any more once the signal fires. `delayOf` is of the script whose coordinator client is asked. */
  constructor(options: RetryOptions | undefined, signal: AbortSignal, delayOf = retryDelay) {
    this.#options = {
      maxAttempts: options?.maxAttempts ?? MAX_ATTEMPTS,
      baseDelay: options?.baseDelay ?? BASE_DELAY,
      maxDelay: options?.maxDelay ?? MAX_DELAY,
      outagePatience: options?.outagePatience ?? OUTAGE_PATIENCE,
    };
    this.#signal = signal;
    this.#delayOf = delayOf;
  }

  /**
   * What `attempt` gives, which has to be repeatable. Outages are waited out up to `outagePatience`, and without a network
   * for as long as it takes; a request that storage refuses is tried `maxAttempts` times. Rejects with the last error.
   */
  async outlast<T>(attempt: () => Promise<T>): Promise<T> {
    let refusals = 0;
    let waits = 0;
    let downSince: number | undefined;
    for (;;) {
      this.#signal.throwIfAborted();
      try {
        return await attempt();
      } catch (error) {
        this.#signal.throwIfAborted();
        if (error instanceof Refusal) refusals += 1;
        else if (!isPassing(error)) throw error;
        const now = performance.now();
        downSince = !navigator.onLine || error instanceof Refusal ? now : (downSince ?? now);
        const { maxAttempts, outagePatience } = this.#options;
        if (refusals >= maxAttempts || now - downSince > outagePatience) throw error;
        await this.#pause(this.#delayOf(error as UploadError), waits++);
      }
    }
  }

  /** Ended early by a network that returns. */
  async #pause(wished: number | undefined, before: number): Promise<void> {
    const { baseDelay, maxDelay } = this.#options;
    const delay = Math.min(wished ?? Math.random() * baseDelay * 2 ** Math.min(before, 30), maxDelay);
    const early = new AbortController();
    const end = () => early.abort();
    addEventListener("online", end);
    this.#signal.addEventListener("abort", end);
    try {
      await pause(delay, early.signal).catch(() => {});
    } finally {
      removeEventListener("online", end);
      this.#signal.removeEventListener("abort", end);
    }
  }
}

/** An answer of storage's that may be another one next time, as to a part that was damaged on its way. */
export class Refusal extends UploadError {
  constructor(status: number, cause: unknown) {
    const message = `storage answered ${status}`;
    super({ code: "storage_refused", message, retryable: true, status }, { cause });
  }
}

function isPassing(error: unknown): boolean {
  if (!(error instanceof UploadError)) return false;
  // The page's function failed, in whatever way: as it may without a network.
  const isTokenless = error.code === "unauthenticated" && error.status === undefined;
  return (
    error.retryable || (isTokenless && (error.cause as Partial<UploadError> | undefined)?.retryable !== false)
  );
}
