import { UploadError } from "./errors.js";
import { onListenersChange } from "./listener-count.js";
import type { ToTask } from "./messages.js";
import { checkPriority } from "./options.js";
import { isFinal } from "./task-state.js";
import { TypedEventTarget } from "./typed-event-target.js";
import type {
  FileRecord,
  PartStates,
  Progress,
  TaskState,
  UploadOptions,
  UploadTaskEventMap,
} from "./types.js";

type TaskCommand = (type: "pause" | "resume" | "abort" | "watch" | "unwatch" | "prioritize") => void;

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
  #priority: number;
  /** @internal */
  send: TaskCommand;
  /** Orders wait until the file has been opened and the task has been handed over. */
  #opened: Promise<void> | undefined;
  #resolve!: (record: FileRecord) => void;
  #reject!: (error: UploadError) => void;
  #abortReason: unknown;
  #signal: AbortSignal | undefined;
  #onSignal = () => void this.abort(this.#signal?.reason);

  /** @internal */
  constructor(
    name: string,
    size: number,
    { signal, priority = 0, loaded = 0 }: Pick<UploadOptions, "signal" | "priority"> & { loaded?: number },
    send: TaskCommand,
  ) {
    super();
    this.name = name;
    this.#priority = priority;
    this.#progress = { loaded, total: size, rate: 0, etaSeconds: null };
    this.send = send;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => {});
    onListenersChange(this, "parts", (listened) => this.#command(listened ? "watch" : "unwatch"));
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

  /**
   * Its place among the files of this uploader, as in `UploadOptions`. A new one holds for requests that begin from now on.
   * Throws a `RangeError` on what is no whole number from -1000 to 1000.
   */
  get priority(): number {
    return this.#priority;
  }

  set priority(priority: number) {
    checkPriority(priority);
    this.#priority = priority;
    this.#command("prioritize");
  }

  /** Stops sending. Parts that storage holds are kept. Does nothing after the end. */
  pause(): void {
    this.#command("pause");
  }

  /** Goes on after `pause`. */
  resume(): void {
    this.#command("resume");
  }

  /**
   * Gives the upload up and frees what storage holds of it; `done` rejects with the code `aborted`
   * and `reason` as its cause. Fulfilled at the end, whichever it is: an upload that was finalized
   * already stays.
   */
  async abort(reason?: unknown): Promise<void> {
    this.#abortReason ??= reason;
    this.#command("abort");
    await this.done.catch(() => {});
  }

  /** @internal */
  open(opened: Promise<void> | undefined): void {
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
        return this.#setState(message.state);
      case "progress":
        return this.#setProgress(message.progress);
      case "parts":
        return this.#setParts(message.parts);
      case "available": {
        const record = JSON.parse(message.record) as FileRecord;
        this.#setProgress({ ...this.#progress, loaded: record.size, total: record.size, etaSeconds: 0 });
        if (this.#parts)
          this.#setParts({ ...this.#parts, states: this.#parts.states.map((state) => Math.max(state, 3)) });
        this.#resolve(record);
        return this.#setState("available");
      }
      case "failed":
        this.#reject(new UploadError(message.failure, { cause }));
        return this.#setState("failed");
    }
  }

  #command(type: Parameters<TaskCommand>[0]): void {
    if (this.#opened) void this.#opened.then(() => this.send(type));
    else this.send(type);
  }

  #setProgress(progress: Progress): void {
    this.#progress = progress;
    this.dispatchEvent(new CustomEvent("progress", { detail: progress }));
  }

  #setParts(parts: PartStates): void {
    this.#parts = parts;
    this.dispatchEvent(new CustomEvent("parts", { detail: parts }));
  }

  #setState(state: TaskState): void {
    if (state === this.#state) return;
    this.#state = state;
    if (isFinal(state)) this.#signal?.removeEventListener("abort", this.#onSignal);
    this.dispatchEvent(new CustomEvent("statechange", { detail: { state } }));
  }
}
