import { UploadError } from "./errors.js";
import { noticeListeners } from "./listening.js";
import type { ToTask } from "./messages.js";
import { isFinal } from "./states.js";
import { TypedEventTarget } from "./typed-events.js";
import type { FileRecord, PartStates, Progress, TaskState, UploadTaskEventMap } from "./types.js";

type Order = (type: "pause" | "resume" | "abort" | "watch" | "unwatch") => void;

/** One file on its way. Made by `Uploader.upload`, `uploadAll` and `continue`. */
export class UploadTask extends TypedEventTarget<UploadTaskEventMap> {
  /** Name of the file. */
  readonly name: string;

  /**
   * Fulfilled with the file's record once the coordinator has checked and finalized it; rejected with
   * an `UploadError`. Leaving it alone causes no unhandled rejection.
   */
  readonly done: Promise<FileRecord>;

  #state: TaskState = "queued";
  #progress: Progress;
  /** As last told. */
  #parts: PartStates | undefined;
  #order: Order;
  /** Orders wait until the file has been opened and the task has been handed over. */
  #opened: Promise<void> | undefined;
  #resolve!: (record: FileRecord) => void;
  #reject!: (error: UploadError) => void;
  #abortReason: unknown;
  #signal: AbortSignal | undefined;
  #onSignal = () => void this.abort(this.#signal?.reason);

  /** @internal */
  constructor(name: string, size: number, signal: AbortSignal | undefined, order: Order) {
    super();
    this.name = name;
    this.#progress = { loaded: 0, total: size, rate: 0, etaSeconds: null };
    this.#order = order;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => {});
    noticeListeners(this, "parts", (listened) => this.#give(listened ? "watch" : "unwatch"));
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onSignal);
  }

  /** Size of the file in bytes; 0 until a `FileSystemFileHandle` has been opened. */
  get size(): number {
    return this.#progress.total;
  }

  /** The state as of the last `statechange`. */
  get state(): TaskState {
    return this.#state;
  }

  /** How far it is, as of the last `progress`. */
  get progress(): Progress {
    return this.#progress;
  }

  /** Stops sending. Parts that storage holds are kept. Does nothing after the end. */
  pause(): void {
    this.#give("pause");
  }

  /** Goes on after `pause`. */
  resume(): void {
    this.#give("resume");
  }

  /**
   * Gives the upload up and frees what storage holds of it; `done` rejects with the code `aborted`
   * and `reason` as its cause. Fulfilled at the end, whichever it is: an upload that was finalized
   * already stays.
   */
  async abort(reason?: unknown): Promise<void> {
    this.#abortReason ??= reason;
    this.#give("abort");
    await this.done.catch(() => {});
  }

  /** @internal */
  open(opened: Promise<void>): void {
    this.#opened = opened;
  }

  /** @internal */
  receive(message: ToTask, cause?: unknown): void {
    switch (message.type) {
      case "state":
        if (message.state === "aborted") {
          const failure = { code: "aborted", message: "the upload was aborted", retryable: false } as const;
          this.#reject(new UploadError(failure, { cause: this.#abortReason }));
        }
        return this.#enter(message.state);
      case "progress":
        return this.#advance(message.progress);
      case "parts":
        return this.#showParts(message.parts);
      case "available": {
        const record = JSON.parse(message.record) as FileRecord;
        this.#advance({ ...this.#progress, loaded: record.size, total: record.size, etaSeconds: 0 });
        if (this.#parts) this.#showParts({ ...this.#parts, states: this.#parts.states.map(() => 3) });
        this.#resolve(record);
        return this.#enter("available");
      }
      case "failed":
        this.#reject(new UploadError(message.failure, { cause }));
        return this.#enter("failed");
    }
  }

  #give(type: Parameters<Order>[0]): void {
    if (this.#opened) void this.#opened.then(() => this.#order(type));
    else this.#order(type);
  }

  #advance(progress: Progress): void {
    this.#progress = progress;
    this.dispatchEvent(new CustomEvent("progress", { detail: progress }));
  }

  #showParts(parts: PartStates): void {
    this.#parts = parts;
    this.dispatchEvent(new CustomEvent("parts", { detail: parts }));
  }

  #enter(state: TaskState): void {
    if (state === this.#state) return;
    this.#state = state;
    if (isFinal(state)) this.#signal?.removeEventListener("abort", this.#onSignal);
    this.dispatchEvent(new CustomEvent("statechange", { detail: { state } }));
  }
}
