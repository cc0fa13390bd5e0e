/** Sending a slice to storage. */
import { giveBack } from "../read-blob.js";

/** Shortest time between two reports of progress, in ms. Source: own choice; the engine passes ten a second on to the page. */
const PROGRESS_INTERVAL = 100;

/**
 * How long a request may show no progress until somebody asks why, in ms.
 *
 * Source: own choice; shorter than the engine's least patience (`upload-core/src/stall.rs`), so that the answer is
 * there before the engine gives the request up.
 */
const SILENCE = 2000;

/** How much of an error's body is kept, in characters; S3's error documents have a few hundred. */
const MAX_ERROR_BODY = 4096;

/** A part to send, exactly as signed. */
export interface PartRequest {
  method: string;
  url: string;
  /** Names and values in turn. */
  headers: string[];
  /** Names and values in turn; where there are any, the body is a form that ends with the slice. */
  fields: string[];
}

/** How a request ended. */
export type Outcome =
  /** `hidesEtag`: a part was stored whose ETag the bucket's CORS rules do not expose. */
  | { type: "stored"; protocol: string | undefined; hidesEtag: boolean }
  | { type: "refused"; status: number; body: string; retryAfter: number | undefined }
  /** There was no answer that may be read. */
  | { type: "network" };

/** Who hears of a request while it is under way. */
export interface Listener {
  /** Bytes of the slice that the network has taken so far. */
  report(loaded: number): void;
  /** There has been no progress for a while, again and again. Where this rejects, the request is of no use and ends. */
  onSilence(): Promise<unknown>;
}

/**
 * Sends a slice as the body of `xhr`, so that its bytes go from disk to network without passing through this worker's
 * memory, or a copy of one, which is of no use afterwards. Aborting `xhr` ends it with `network`. Never rejects.
 *
 * It is an `XMLHttpRequest` because `fetch` does not tell how far an upload is.
 */
export async function sendSlice(
  xhr: XMLHttpRequest,
  slice: Blob | ArrayBuffer,
  { method, url, headers, fields }: PartRequest,
  { report, onSilence }: Listener,
): Promise<Outcome> {
  // Listeners come before `open`: set later, they would not be told of the upload.
  const ended = new Promise((resolve) => (xhr.onloadend = resolve));
  const size = slice instanceof Blob ? slice.size : slice.byteLength;
  let last = -Infinity;
  let moved = false;
  // A request whose file is gone never ends in Firefox and WebKit.
  const silence = setInterval(() => {
    if (!moved) onSilence().catch(() => xhr.abort());
    moved = false;
  }, SILENCE);
  xhr.upload.onprogress = ({ loaded, total }) => {
    moved = true;
    const now = performance.now();
    if (now - last < PROGRESS_INTERVAL) return;
    last = now;
    // What a form puts around the slice goes first.
    report(Math.max(0, loaded - Math.max(0, total - size)));
  };
  try {
    xhr.open(method, url);
    forEachPair(headers, (name, value) => xhr.setRequestHeader(name, value));
    xhr.send(fields.length > 0 ? form(slice, fields) : slice);
    // The request has its own copy by now.
    if (!(slice instanceof Blob)) giveBack(slice);
    await ended;
  } catch {
    // An address or a header that cannot be: there is no status.
  }
  clearInterval(silence);
  const { status } = xhr;
  if (status === 0) return { type: "network" };
  if (status >= 200 && status < 300) {
    const hidesEtag = method === "PUT" && !/^etag:/im.test(xhr.getAllResponseHeaders());
    return { type: "stored", protocol: protocolOf(url), hidesEtag };
  }
  return {
    type: "refused",
    status,
    body: xhr.responseText.slice(0, MAX_ERROR_BODY),
    retryAfter: retryAfter(xhr),
  };
}

function form(slice: Blob | ArrayBuffer, fields: string[]): FormData {
  const form = new FormData();
  forEachPair(fields, (name, value) => form.append(name, value));
  form.append("file", slice instanceof Blob ? slice : new Blob([slice]));
  return form;
}

function forEachPair(list: string[], each: (name: string, value: string) => void): void {
  for (let i = 1; i < list.length; i += 2) each(list[i - 1]!, list[i]!);
}

/** As ALPN names it; browsers tell only where storage allows it (`Timing-Allow-Origin`). */
function protocolOf(url: string): string | undefined {
  const entry = performance.getEntriesByName(url).at(-1) as PerformanceResourceTiming | undefined;
  return entry?.nextHopProtocol || undefined;
}

function retryAfter(xhr: XMLHttpRequest): number | undefined {
  // All headers at once: asking for one that CORS hides puts an error on the console.
  const seconds = /^retry-after: *(\d{1,9})\s*$/im.exec(xhr.getAllResponseHeaders())?.[1];
  return seconds ? Number(seconds) : undefined;
}
