/** The page's side of the worker that indexes files: what they consist of, and what two of them share. */
import { abortedError } from "../coordinator-client.js";
import { UploadError } from "../errors.js";
import type { Failure } from "../messages.js";
import type { UploaderOptions } from "../types.js";
import { workerOf } from "../worker-of.js";
import { WorkerOrders } from "../worker-orders.js";
import { FAILURES } from "./failures.js";
import { readCutting, type Cutting } from "./index-format.js";
import type {
  ContentIndex,
  DeltaAnswer,
  DeltaOrder,
  IndexedFile,
  Indexing,
  IndexNews,
  Segment,
} from "./messages.js";

export type { ContentIndex, Cutting, IndexedFile, Segment };

/** Who wants to know of an index in the making, and what it is compared with meanwhile. */
export interface IndexWatch extends Omit<Indexing, "cutting"> {
  /** Ends it: the index rejects with `aborted` at once. */
  signal?: AbortSignal;
  /** So many bytes of the file have been read. */
  onProgress?: (bytes: number) => void;
  /** The next segments of the plan against `base`, which no longer grow; none while the file may be one of `known`. */
  onSegments?: (segments: Segment[]) => void;
}

/** Reads files once each, in a worker, and holds about 16 MiB meanwhile, whatever their size. */
export class ContentHasher {
  #orders: WorkerOrders<DeltaOrder, DeltaAnswer, Failure, IndexNews>;
  #lastRun = 0;

  /** Starts the worker. Where it cannot be made, everything that is asked rejects with `worker_failed`. */
  constructor({ deltaWorkerUrl }: Pick<UploaderOptions, "deltaWorkerUrl">) {
    const make = () =>
      workerOf(
        deltaWorkerUrl,
        new URL("./delta-worker.js", import.meta.url),
        // Bundlers look for exactly this expression.
        () => new Worker(new URL("./delta-worker.js", import.meta.url), { type: "module" }),
      );
    this.#orders = new WorkerOrders(make, (why) =>
      "failed" in why ? new UploadError(why.failed) : new UploadError(FAILURES.scripts, { cause: why.ended }),
    );
  }

  /**
   * The content index of a file, cut as told, or else by content at the level for its size. One file is read after the other.
   *
   * Rejects with an `UploadError`: `file_unreadable`; `file_changed` where the file has another size than it had; `unsupported`
   * where there is no `crypto.subtle`, or the file could have more than 10,000 chunks; `protocol_violation` where `base` or one
   * of `known` is no index; `aborted`; `worker_failed`, also after `end()`.
   */
  async index(
    file: Blob,
    cutting: Cutting | undefined,
    { signal, onProgress, onSegments, base, known }: IndexWatch = {},
  ): Promise<IndexedFile> {
    if (signal?.aborted) throw abortedError(signal);
    // Only pages on https and on localhost have it.
    if (!globalThis.crypto?.subtle) throw new UploadError(FAILURES.noHashes);
    const run = ++this.#lastRun;
    const index = this.#orders.ask({ type: "index", run, file, cutting, base, known }, (news) => {
      if (signal?.aborted) return;
      if ("read" in news) onProgress?.(news.read);
      else onSegments?.(news.segments);
    });
    const answer = await this.#unlessAborted(index, run, signal);
    return (answer as { index: IndexedFile }).index;
  }

  /** How the file of a packed index was cut. Throws `protocol_violation` where it is none. */
  cuttingOf(packed: Uint8Array): Cutting {
    const cutting = readCutting(packed);
    if (!cutting) throw new UploadError(FAILURES.badIndex);
    return cutting;
  }

  /**
   * The parts of a new file, by packed indexes of the old one and of itself: in order, without gaps, their numbers one more than
   * their places; at most 10,000, none but the last below 5 MiB. What is copied goes on for up to 64 MiB where it lies side by
   * side in both files, what travels is no longer than a chunk; on the grid all parts but the last are of one size.
   *
   * Rejects with an `UploadError`: `protocol_violation` where one of both is no index, `worker_failed`.
   */
  async plan(base: Uint8Array, next: Uint8Array): Promise<Segment[]> {
    const answer = await this.#orders.ask({ type: "plan", base, next });
    return (answer as { segments: Segment[] }).segments;
  }

  /** Ends the worker; what has not been answered rejects with `worker_failed`. */
  end(): void {
    this.#orders.end();
  }

  async #unlessAborted<Answer>(
    index: Promise<Answer>,
    run: number,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    if (!signal) return index;
    // Nobody hears of it any more once it is aborted.
    index.catch(() => {});
    let onAbort = () => {};
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => {
        this.#orders.ask({ type: "cancel", run }).catch(() => {});
        reject(abortedError(signal));
      };
      signal.addEventListener("abort", onAbort);
    });
    try {
      return await Promise.race([index, aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}
