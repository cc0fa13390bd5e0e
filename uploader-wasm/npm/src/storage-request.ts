/** Sends one part to storage, and tells what its answer means. */
import { UploadError } from "./errors.js";
import { sendPart } from "./send-part.js";
import type { SignedPart } from "./signed-parts.js";
import { Refusal } from "./patience.js";

/** Longest time without progress, in ms, and without an answer once all is sent. Source: own choice. */
const SENDING_TIMEOUT = 60_000;
const ANSWER_TIMEOUT = 300_000;

/**
 * Sends a part, and gives its ETag, empty where the bucket does not expose it. Rejects with an `UploadError` that can be
 * waited out, a `Refusal` where storage's answer is about the request.
 */
export async function sendToStorage(signature: SignedPart, body: Blob, signal: AbortSignal): Promise<string> {
  const end = new AbortController();
  const abort = () => end.abort();
  let timer = setTimeout(abort, SENDING_TIMEOUT);
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  const onProgress = ({ loaded }: { loaded: number }) => {
    clearTimeout(timer);
    timer = setTimeout(abort, loaded < body.size ? SENDING_TIMEOUT : ANSWER_TIMEOUT);
  };
  try {
    const sent = await sendPart({ signature, body, signal: end.signal, onProgress, onComplete: () => {} });
    return sent.ETag;
  } catch (cause) {
    throw failure((cause as { source?: XMLHttpRequest }).source?.status ?? 0, cause);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

function failure(status: number, cause: unknown): UploadError {
  const isPassing = status === 408 || status === 429 || status >= 500;
  if (status !== 0 && !isPassing) return new Refusal(status, cause);
  const message = status === 0 ? "storage cannot be reached" : `storage answered ${status}`;
  const seen = status === 0 ? undefined : status;
  return new UploadError({ code: "storage_unreachable", message, retryable: true, status: seen }, { cause });
}
