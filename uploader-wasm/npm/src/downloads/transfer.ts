import { UploadError } from "../errors.js";
import { linkedController } from "../linked-controller.js";
import type { Patience } from "../patience.js";
import type { ContentLinks } from "./content-links.js";
import { OTHER_CONTENT } from "./failures.js";
import type { LocalContent } from "./local-content.js";
import type { RangeAnswer } from "./messages.js";
import type { Ranges } from "./ranges.js";
import type { Writer } from "./writer.js";

/** What a transfer works with. */
export interface TransferParts {
  ranges: Ranges;
  writer: Writer;
  links: ContentLinks;
  /** What of the file this machine has. */
  local: LocalContent | undefined;
  /** Most ranges under way at a time. */
  concurrency: number;
  /** What passing failures are waited out with, until the signal fires. */
  patience: (signal: AbortSignal) => Patience;
  signal: AbortSignal;
  /** What storage's answers have to have, where an earlier page noted it. */
  etag: string | undefined;
  /** So many bytes of the file are there. */
  onProgress: (loaded: number) => void;
  /** So many bytes more are there without having been fetched. */
  onCopied: (bytes: number) => void;
  /** Another range is on the disk. */
  onFinished: (etag: string | undefined) => Promise<void>;
}

/** Fetches the ranges that are missing. */
export class Transfer {
  #parts: TransferParts;
  #end: AbortController;
  #patience: Patience;
  #etag: string | undefined;
  /** Bytes of ranges under way. */
  #received = new Map<number, number>();
  #noted: Promise<void> = Promise.resolve();

  constructor(parts: TransferParts) {
    this.#parts = parts;
    this.#etag = parts.etag;
    this.#end = linkedController(parts.signal);
    this.#patience = parts.patience(this.#end.signal);
  }

  /**
   * Rejects with the error of the first range that cannot be had, or the signal's reason. Nothing is begun any more then;
   * what is under way ends with the writer.
   */
  async run(): Promise<void> {
    const { ranges, concurrency } = this.#parts;
    const missing = ranges.missing.values();
    this.#tell();
    const lane = async () => {
      for (const index of missing) await this.#fetch(index);
    };
    const running = Array.from({ length: concurrency }, lane);
    try {
      await Promise.race([Promise.all(running), aborted(this.#end.signal)]);
    } catch (error) {
      this.#end.abort(error);
      throw error;
    }
  }

  async #fetch(index: number): Promise<void> {
    const { ranges, onFinished } = this.#parts;
    const { checksum, etag } =
      (await this.#copy(index)) ?? (await this.#patience.outlast(() => this.#attempt(index)));
    if (etag !== undefined && etag !== (this.#etag ??= etag)) throw new UploadError(OTHER_CONTENT);
    this.#received.delete(index);
    ranges.finish(index, checksum);
    this.#tell();
    // One after the other: they replace the same file.
    this.#noted = this.#noted.then(() => onFinished(this.#etag));
    await this.#noted;
  }

  /** The range from this machine, where it has all of it. */
  async #copy(index: number): Promise<RangeAnswer | undefined> {
    const { ranges, writer, local } = this.#parts;
    const at = ranges.at(index);
    const content = local?.slice(at, ranges.lengthOf(index));
    if (!content) return undefined;
    this.#end.signal.throwIfAborted();
    const copied = await writer.copy({ content, at });
    if (copied) this.#parts.onCopied(content.size);
    return copied;
  }

  async #attempt(index: number): Promise<RangeAnswer> {
    const { links } = this.#parts;
    const url = await links.get();
    try {
      return await this.#range(index, url);
    } catch (error) {
      // It answers nothing any more, however long it is waited for.
      if ((error as UploadError).code === "worker_failed") this.#end.abort(error);
      await links.drop(url);
      if (!(error instanceof UploadError) || error.code !== "storage_refused") throw error;
      // The link may have run out.
      return this.#range(index, await links.get());
    }
  }

  #range(index: number, url: string): Promise<RangeAnswer> {
    const { ranges, writer } = this.#parts;
    this.#end.signal.throwIfAborted();
    const order = { url, at: ranges.at(index), length: ranges.lengthOf(index), size: ranges.size };
    return writer.range(order, (bytes) => {
      this.#received.set(index, bytes);
      this.#tell();
    });
  }

  #tell(): void {
    let loaded = this.#parts.ranges.finished;
    for (const bytes of this.#received.values()) loaded += bytes;
    this.#parts.onProgress(loaded);
  }
}

/** Rejects when the signal fires. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}
