import { UploadError } from "../index.js";
import { CoordinatorClient, type JsonObject, type CoordinatorRequest } from "../coordinator-client.js";
import { pause } from "../pause.js";
import { retryDelay } from "../problem-details.js";

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

/** Repeats requests that failed for a passing reason, so all of them have to be repeatable. */
export class RetryingClient extends CoordinatorClient {
  override async request(request: CoordinatorRequest): Promise<JsonObject> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await super.request(request);
      } catch (error) {
        const isPassing = error instanceof UploadError && error.retryable;
        if (!isPassing || attempt === MAX_ATTEMPTS) throw error;
        const wait = retryDelay(error) ?? Math.random() * BASE_DELAY * 2 ** (attempt - 1);
        await pause(Math.min(wait, MAX_DELAY), request.signal);
      }
    }
  }
}
