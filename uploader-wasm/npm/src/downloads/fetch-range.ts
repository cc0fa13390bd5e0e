/** One range of a file, from storage to its place. */
import { Crc64Nvme } from "../crc64nvme.js";
import { UploadError } from "../errors.js";
import { OTHER_CONTENT } from "./failures.js";
import type { RangeAnswer, RangeOrder } from "./messages.js";
import { written, type Target } from "./target.js";

/** Longest time without a byte, in ms. Source: own choice, that of parts on their way. */
const SILENCE_TIMEOUT = 60_000;

/** Shortest time between two reports of one range, in ms. Source: own choice. */
const REPORT_INTERVAL = 100;

/**
 * Fetches a range, and writes each chunk when it comes. Rejects with an `UploadError`: `storage_unreachable` can be waited
 * out, `storage_refused` may be about the link, `file_changed` tells that the object is another one by now.
 */
export async function fetchRange(
  order: RangeOrder,
  target: Target,
  signal: AbortSignal,
  onReceived: (bytes: number) => void,
): Promise<RangeAnswer> {
  const silence = new Silence(signal);
  try {
    const response = await request(order, silence.signal);
    checkAnswer(response, order);
    const etag = response.headers.get("etag") ?? undefined;
    const checksum = new Crc64Nvme();
    let bytes = 0;
    let reported = 0;
    for await (const chunk of chunksOf(response)) {
      silence.broken();
      if (bytes + chunk.length > order.length) throw refused("storage sent more than the range", response);
      checksum.update(chunk);
      await written(() => target.write(chunk, order.at + bytes));
      bytes += chunk.length;
      if (performance.now() - reported < REPORT_INTERVAL) continue;
      reported = performance.now();
      onReceived(bytes);
    }
    if (bytes < order.length) throw unreachable(undefined, "the answer ended early");
    await written(() => target.flush());
    return { checksum: checksum.value, etag };
  } finally {
    silence.end();
  }
}

async function request({ url, at, length }: RangeOrder, signal: AbortSignal): Promise<Response> {
  try {
    const headers = { range: `bytes=${at}-${at + length - 1}` };
    return await fetch(url, { headers, cache: "no-store", credentials: "omit", signal });
  } catch (cause) {
    throw unreachable(undefined, cause);
  }
}

async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = body!.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause) => {
        throw unreachable(undefined, cause);
      });
      if (done) return;
      yield value;
    }
  } finally {
    // What is left of the answer is not read.
    reader.cancel().catch(() => {});
  }
}

function checkAnswer(response: Response, { at, length, size }: RangeOrder): void {
  const { status, headers } = response;
  if (status === 408 || status === 429 || status >= 500) throw unreachable(status);
  // The object ends before this range.
  if (status === 416) throw new UploadError(OTHER_CONTENT);
  const isWhole = status === 200 && length === size;
  if (status !== 206 && !isWhole) throw refused(`storage answered ${status} to a range`, response);
  // Not every bucket exposes it; length and checksum tell the same, later.
  const contentRange = headers.get("content-range");
  if (isWhole || contentRange === null) return;
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange) ?? [];
  if (total !== undefined && Number(total) !== size) throw new UploadError(OTHER_CONTENT);
  if (Number(first) !== at || Number(last) !== at + length - 1)
    throw refused("storage answered with another range", response);
}

function unreachable(status: number | undefined, cause?: unknown): UploadError {
  const message = status === undefined ? "storage cannot be reached" : `storage answered ${status}`;
  return new UploadError({ code: "storage_unreachable", message, retryable: true, status }, { cause });
}

function refused(message: string, { status }: Response): UploadError {
  return new UploadError({ code: "storage_refused", message, retryable: false, status });
}

/** Ends a request of which nothing comes. */
class Silence {
  #end = new AbortController();
  #outer: AbortSignal;
  #abort = () => this.#end.abort();
  #timer = setTimeout(this.#abort, SILENCE_TIMEOUT);

  constructor(outer: AbortSignal) {
    this.#outer = outer;
    outer.addEventListener("abort", this.#abort);
    if (outer.aborted) this.#abort();
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** Something came. */
  broken(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#abort, SILENCE_TIMEOUT);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener("abort", this.#abort);
    this.#end.abort();
  }
}
