import { UploadError } from "../index.js";
import { aborted, Requests, waits, type Json, type Question } from "../requests.js";

/**
 * Attempts for one request, the first included: Uppy itself repeats few of them.
 *
 * Source: own choice; with the waits below, half a minute of trouble.
 */
const MAX_ATTEMPTS = 6;

/** Longest wait before the second attempt, in ms; it doubles with each further one. Source: `RetryOptions.baseDelay`. */
const BASE_DELAY = 500;

/** Longest wait before any attempt, in ms, also where the coordinator names one. Source: `RetryOptions.maxDelay`. */
const MAX_DELAY = 20_000;

/** Requests to the coordinator that wait out passing troubles. All of them have to be such that may be repeated. */
export class PatientRequests extends Requests {
  override async ask(question: Question): Promise<Json> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await super.ask(question);
      } catch (error) {
        const isPassing = error instanceof UploadError && error.retryable;
        if (!isPassing || attempt === MAX_ATTEMPTS) throw error;
        const wait = waits.get(error) ?? Math.random() * BASE_DELAY * 2 ** (attempt - 1);
        await pause(Math.min(wait, MAX_DELAY), question.signal);
      }
    }
  }
}

/** Fulfilled after so many ms; rejects where the signal fires before. */
function pause(ms: number, signal: AbortSignal | null | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      if (signal) reject(aborted(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
