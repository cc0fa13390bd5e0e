import { startWorkerPool, type WorkerPool } from "./worker-pool.js";
import { LoadFailure } from "./worker-script.js";
import { UploadError } from "./errors.js";
import { ChangeQueue } from "./change-queue.js";
import { checkChoices, describeFile, type Choices } from "./describe-file.js";
import { MIN_DELTA_SIZE } from "./deltas/least-size.js";
import { onListenersChange } from "./listener-count.js";
import type { ConductorOptions, Failure, ReopenedUpload, ToConductor, ToPage } from "./messages.js";
import {
  CLOSED,
  failureLogLine,
  invalidRequest,
  NOT_INTERRUPTED,
  UNREADABLE,
  UNSUPPORTED,
  WORKER_FAILED,
} from "./failures.js";
import { callTokenSource, checkMaxRate, checkOptions } from "./options.js";
import { reopenHandle } from "./file-handle.js";
import { FolderUpload } from "./folder-upload.js";
import { isSystemFile, joinPaths, pickedFolder } from "./relative-path.js";
import { isFinal } from "./task-state.js";
import { UploadTask } from "./task.js";
import { TotalProgress } from "./total-progress.js";
import { TypedEventTarget } from "./typed-event-target.js";
import type { UploaderEventMap } from "./uploader-events.js";
import type { WakeLock } from "./wake-lock.js";
import type {
  Change,
  ChangesOptions,
  InterruptedUpload,
  OpenUpload,
  Progress,
  Uploadable,
  UploadAllOptions,
  UploadElsewhere,
  UploaderOptions,
  UploadOptions,
} from "./types.js";

/** Uploads files through one coordinator. One for a page is enough: its files share the network. */
export class Uploader extends TypedEventTarget<UploaderEventMap> {
  /**
   * For the entries that ask the coordinator themselves.
   * @internal
   */
  readonly options: UploaderOptions;
  #conductorOptions: ConductorOptions;
  #pool: WorkerPool | undefined;
  #closed = false;
  /** Whether anybody listens to `activity`. */
  #activityObserved = false;
  #lastNumber = 0;
  #tasks = new Map<number, UploadTask>();
  #elsewhere: UploadElsewhere[] = [];
  #totalProgress = new TotalProgress((detail) => this.dispatchEvent(new CustomEvent("progress", { detail })));
  #wakeLock: WakeLock | undefined;
  #changeQueues = new Map<number, ChangeQueue>();
  #pendingCalls = new Map<number, PendingCall>();
  /** Requests to the coordinator that the page's own `fetch` sends. */
  #fetches = new Map<number, AbortController>();

  /** Whether the browser has what uploads need: WebAssembly, which some modes of browsers switch off, and workers. */
  static isSupported(): boolean {
    return typeof WebAssembly === "object" && typeof Worker === "function";
  }

  /**
   * Where there is a page, the workers start at once, so that the first upload need not wait for them;
   * elsewhere nothing happens. Throws a `TypeError` or `RangeError` on options that cannot be used, and an
   * `UploadError` with the code `unsupported` in a browser where `isSupported` says no.
   */
  constructor(options: UploaderOptions) {
    super();
    if (typeof document === "object" && !Uploader.isSupported()) throw new UploadError(UNSUPPORTED);
    this.#conductorOptions = checkOptions(options);
    this.options = { ...options };
    onListenersChange(this, "activity", (listened) => {
      this.#activityObserved = listened;
      this.#pool?.post({ type: listened ? "watch" : "unwatch", task: 0 });
    });
    if (typeof document !== "object") return;
    if (options.wakeLock ?? isHandheld()) void this.#keepScreenOn().catch(() => {});
    this.#start();
  }

  /** Address of the coordinator: absolute, without a slash at its end. */
  get endpoint(): string {
    return this.#conductorOptions.endpoint;
  }

  /**
   * Most bytes a second, over all files, as in `UploaderOptions`; `undefined` for no limit. A new one holds at once, but
   * for requests that are under way. Throws a `RangeError` on what is no whole number from 1 on.
   */
  get maxRate(): number | undefined {
    return this.#conductorOptions.maxRate;
  }

  set maxRate(rate: number | undefined) {
    checkMaxRate(rate);
    this.#conductorOptions.maxRate = rate;
    this.#pool?.post({ type: "maxRate", rate });
  }

  /**
   * Starts an upload and returns at once. Files above the single-request limit go as parts, several at
   * a time; whatever fails on the way is tried again as `retry` says. Throws after `close`, and a
   * `TypeError` on what is no file.
   */
  upload(file: Uploadable, options: UploadOptions = {}): UploadTask {
    const { signal } = options;
    // Not `instanceof`: a file may come from another frame.
    const isContent = "slice" in file;
    if (!isContent && !("getFile" in file))
      throw new TypeError("a File, a Blob or a FileSystemFileHandle is needed");
    const name = String(options.name ?? ("name" in file ? file.name : "blob"));
    const { task, number } = this.#newTask(name, isContent ? file.size : 0, options);
    let choices: Choices;
    try {
      choices = checkChoices(options);
    } catch (cause) {
      this.#fail(number, invalidRequest(cause), cause);
      return task;
    }
    const start = (content: Blob, handle?: FileSystemFileHandle) => {
      // It may have ended while its file was being opened.
      if (!this.#tasks.has(number)) return;
      const description = describeFile(content, name, choices);
      const add = { type: "add", task: number, file: content, handle, description } as const;
      if (choices.base || (this.options.deltas && content.size >= MIN_DELTA_SIZE))
        return this.#startDelta(task, add);
      this.#post(add);
    };
    if (signal?.aborted) {
      void task.abort(signal.reason);
      this.#deliver({ type: "state", task: number, state: "aborted" });
    } else if (isContent) {
      task.open(start(file));
    } else {
      task.open(
        file.getFile().then(
          (content) => start(content, file),
          (cause) => this.#fail(number, UNREADABLE, cause),
        ),
      );
    }
    return task;
  }

  /**
   * Starts an upload for each file, in order, with the same options. A file that was picked in a folder
   * (`webkitRelativePath`) has that as its `path`, below the one of the options.
   */
  uploadAll(files: Iterable<Uploadable> | ArrayLike<Uploadable>, options?: UploadAllOptions): UploadTask[];
  /**
   * Uploads what was dropped or pasted (in the event's own call), or all of a folder: each file as it is found, with its
   * folder, the first one included, as `path`.
   */
  uploadAll(source: DataTransfer | FileSystemDirectoryHandle, options?: UploadAllOptions): FolderUpload;
  uploadAll(
    source: Iterable<Uploadable> | ArrayLike<Uploadable> | DataTransfer | FileSystemDirectoryHandle,
    options: UploadAllOptions = {},
  ): UploadTask[] | FolderUpload {
    if ("getData" in source || "kind" in source)
      return new FolderUpload(source, options, (file, path) => this.upload(file, { ...options, path }));
    const isWanted = (file: Uploadable) =>
      options.systemFiles || !pickedFolder(file) || !isSystemFile((file as File).name);
    return Array.from(source)
      .filter(isWanted)
      .map((file) => {
        const folder = pickedFolder(file);
        return this.upload(file, folder ? { ...options, path: joinPaths(options.path, folder) } : options);
      });
  }

  /** The uploads that have not ended: this page's and, with the option `shared`, those of other pages, in the order in which they came. */
  get tasks(): UploadTask[] {
    return [...this.#tasks.values()];
  }

  /** The uploads that earlier pages left unfinished and that no other tab has taken up. */
  async interrupted(): Promise<InterruptedUpload[]> {
    return (await this.#call({ type: "interrupted" })) as InterruptedUpload[];
  }

  /**
   * What the token's subject has open in the workspace, newest first, on whatever machine it was begun: uploads of this
   * page and of other tabs too. The script for it is loaded now.
   */
  async openUploads(): Promise<OpenUpload[]> {
    return (await openUploads()).listOpenUploads(this.options);
  }

  /**
   * What other tabs are busy with, as of the last `elsewhere` event. Only where uploads are remembered
   * (`persist`), here and there, and once the workers have started.
   */
  get elsewhere(): UploadElsewhere[] {
    return this.#elsewhere;
  }

  /**
   * How far all uploads are together: those under way, and those that have ended since the last moment
   * without any. What a failed or aborted one got through stays in `loaded`, and the rest of it leaves
   * `total`. Paused ones do not count for `etaSeconds`.
   */
  get progress(): Progress {
    return this.#totalProgress.progress;
  }

  /**
   * Goes on with an interrupted upload. `file` is needed where `needsFile` says so and must be the
   * same file: another one ends the task with `file_changed`. Without it the stored handle is reopened,
   * for which the browser may ask the person, so call it from a click.
   *
   * With one of `openUploads` it goes on with what another browser began, given the file: what storage has of it is read
   * and compared first, and not sent again. `persist` has to be on.
   *
   * Rejects with `not_interrupted`, `file_unreadable` or, of another browser's upload, `file_changed`.
   */
  async continue(upload: string | OpenUpload, file?: Blob): Promise<UploadTask> {
    if (typeof upload !== "string" && file) await (await openUploads()).adopt(this.options, upload, file);
    const uploadId = typeof upload === "string" ? upload : upload.uploadId;
    const found = (await this.#call({ type: "reopen", uploadId })) as ReopenedUpload | undefined;
    if (!found) throw new UploadError(NOT_INTERRUPTED);
    const content = file ?? (await reopenHandle(found.handle));
    const { task, number } = this.#newTask(found.name, found.size, found);
    const name = "name" in content && !found.renamed ? (content.name as string) : found.name;
    this.#post({
      type: "restore",
      task: number,
      uploadId,
      file: content,
      description: describeFile(content, name, found),
    });
    return task;
  }

  /**
   * Forgets an interrupted upload, one too that can no longer be read, and has the coordinator free what
   * storage holds of it. Rejects with `not_interrupted` where there is none or another tab has taken it up.
   */
  async discard(uploadId: string): Promise<void> {
    if (!(await this.#call({ type: "discard", uploadId }))) throw new UploadError(NOT_INTERRUPTED);
  }

  /**
   * The workspace's changes as they happen, in order, without gap or repeat; reconnects by itself. The
   * connection opens at the first step of the iteration and closes when the loop is left; `signal` ends
   * one that waits. Throws an `UploadError` only where the page gives no token or the workers fail.
   */
  async *changes({ since, signal, onLive }: ChangesOptions = {}): AsyncGenerator<Change, void, undefined> {
    const number = ++this.#lastNumber;
    const feed = new ChangeQueue(onLive);
    const end = () => feed.end();
    if (signal?.aborted) return;
    signal?.addEventListener("abort", end);
    this.#changeQueues.set(number, feed);
    try {
      this.#post({ type: "subscribe", feed: number, since });
      yield* feed.read();
    } finally {
      signal?.removeEventListener("abort", end);
      this.#changeQueues.delete(number);
      this.#pool?.post({ type: "unsubscribe", feed: number });
    }
  }

  /**
   * Ends the workers. Unfinished uploads stop at once: their tasks fail with `closed`, and a later page
   * may continue them; where pages share them they go on without this one. All other methods throw afterwards; closing again
   * does nothing. Fulfilled once everything that a later page needs is written.
   */
  async close(): Promise<void> {
    this.#closed = true;
    const pool = this.#pool;
    this.#stop(CLOSED);
    await pool?.close();
  }

  #start(): WorkerPool {
    this.#pool = startWorkerPool(
      this.options,
      this.#conductorOptions,
      (message) => this.#receive(message),
      (message, cause) => this.#unposted(message, cause),
      (cause) => {
        const message = cause instanceof LoadFailure ? cause.message : WORKER_FAILED.message;
        this.#stop({ ...WORKER_FAILED, message }, cause);
      },
    );
    if (this.#activityObserved) this.#pool.post({ type: "watch", task: 0 });
    return this.#pool;
  }

  /** Everything under way ends with the workers; the next use starts new ones. */
  #stop(failure: Failure, cause?: unknown): void {
    this.#pool = undefined;
    if (failure !== CLOSED) this.#log("warn", failure.message);
    const error = new UploadError(failure, { cause });
    for (const number of [...this.#tasks.keys()]) this.#fail(number, failure, cause);
    for (const feed of this.#changeQueues.values()) feed.end(failure === CLOSED ? undefined : error);
    for (const call of this.#pendingCalls.values()) call.reject(error);
    this.#pendingCalls.clear();
    for (const request of this.#fetches.values()) request.abort();
    this.#fetches.clear();
    if (this.#elsewhere.length > 0) this.#setElsewhere([]);
  }

  #newTask(
    name: string,
    size: number,
    options: UploadOptions & { loaded?: number } = {},
    number = ++this.#lastNumber,
  ): { task: UploadTask; number: number } {
    this.#checkOpen();
    const task: UploadTask = new UploadTask(name, size, options, (type) => {
      if (this.#tasks.has(number)) this.#post({ type, task: number, priority: task.priority });
    });
    this.#tasks.set(number, task);
    this.#updateTotals(number, task);
    return { task, number };
  }

  #receive(message: ToPage): void {
    switch (message.type) {
      case "token":
        return void this.#sendToken(message.id);
      case "fetch":
        return void this.#fetch(message);
      case "cancelFetch":
        return this.#fetches.get(message.id)?.abort();
      case "change":
        return this.#changeQueues.get(message.feed)?.push(message.change);
      case "feedLive":
        return this.#changeQueues.get(message.feed)?.onLive?.(message.live);
      case "feedFailed":
        return this.#changeQueues.get(message.feed)?.end(new UploadError(message.failure));
      case "answer":
        this.#pendingCalls.get(message.id)?.resolve(message.value);
        return void this.#pendingCalls.delete(message.id);
      case "activity": {
        const { rate } = this.#totalProgress.progress;
        const detail = { ...message.activity, rate };
        return void this.dispatchEvent(new CustomEvent("activity", { detail }));
      }
      case "elsewhere":
        return this.#setElsewhere(message.uploads);
      case "task":
        return void this.dispatchEvent(
          new CustomEvent("task", {
            detail: this.#newTask(message.name, message.size, {}, message.task).task,
          }),
        );
      case "log":
        return this.#log(message.level, message.message);
      default:
        return this.#deliver(message);
    }
  }

  #deliver(message: Parameters<UploadTask["receive"]>[0], cause?: unknown): void {
    const task = this.#tasks.get(message.task);
    if (!task) return;
    task.receive(message, cause);
    if (isFinal(task.state)) this.#tasks.delete(message.task);
    if (message.type === "failed") this.#log("warn", failureLogLine(message.failure));
    if (message.type !== "parts") this.#updateTotals(message.task, task);
  }

  /** Without the script for it the whole file is sent. */
  async #startDelta(task: UploadTask, add: Extract<ToConductor, { type: "add" }>): Promise<void> {
    const post = () => this.#post(add);
    // Few pages need it.
    const deltas = await import("./deltas.js").catch(() => undefined);
    if (!this.#tasks.has(add.task)) return;
    if (!deltas) return post();
    deltas.startDelta({
      uploader: this,
      task,
      add,
      post,
      deliver: (message, cause) => this.#deliver(message, cause),
      isOpen: () => !this.#closed,
    });
  }

  #updateTotals(number: number, task: UploadTask): void {
    this.#totalProgress.update(number, task);
    this.#wakeLock?.hold(this.#totalProgress.isMoving);
  }

  async #keepScreenOn(): Promise<void> {
    const { WakeLock } = await import("./wake-lock.js");
    this.#wakeLock = new WakeLock();
    this.#wakeLock.hold(this.#totalProgress.isMoving);
  }

  #setElsewhere(uploads: UploadElsewhere[]): void {
    this.#elsewhere = uploads;
    this.dispatchEvent(new CustomEvent("elsewhere", { detail: uploads }));
  }

  #fail(task: number, failure: Failure, cause?: unknown): void {
    this.#deliver({ type: "failed", task, failure }, cause);
  }

  async #sendToken(id: number): Promise<void> {
    let answer;
    try {
      answer = { token: await callTokenSource(this.options.token) };
    } catch (error) {
      this.#log("warn", "token() failed");
      // Libraries reject with errors of their own where there is no network, so only a plain word is final.
      answer = { offline: (error as { retryable?: unknown } | null)?.retryable !== false };
    }
    this.#pool?.post({ type: "token", id, answer });
  }

  async #fetch({ id, url, init }: Extract<ToPage, { type: "fetch" }>): Promise<void> {
    const request = new AbortController();
    this.#fetches.set(id, request);
    let reply;
    try {
      const response = await this.options.fetch!(url, { ...init, signal: request.signal });
      reply = { status: Number(response.status), text: String(await response.text()) };
    } catch {
      // As a network that fails.
    }
    // The workers may be others by now.
    if (this.#fetches.get(id) !== request) return;
    this.#fetches.delete(id);
    this.#pool?.post({ type: "fetched", id, reply });
  }

  #call(call: { type: "interrupted" } | { type: "reopen" | "discard"; uploadId: string }): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#checkOpen();
      const id = ++this.#lastNumber;
      this.#pendingCalls.set(id, { resolve, reject });
      this.#post({ ...call, id });
    });
  }

  /** What cannot be copied to a worker harms only whom it concerns. */
  #unposted(message: ToConductor, cause: unknown): void {
    const failure = invalidRequest(cause);
    if ("task" in message) this.#fail(message.task, failure, cause);
    else if ("id" in message) {
      this.#pendingCalls.get(message.id)?.reject(new UploadError(failure, { cause }));
      this.#pendingCalls.delete(message.id);
    }
  }

  /** A logger of the page's that throws harms nothing. */
  #log(level: "debug" | "warn", message: string): void {
    try {
      this.options.logger?.[level](message);
    } catch {
      // It is the page's to mend.
    }
  }

  #post(message: ToConductor): void {
    this.#checkOpen();
    (this.#pool ?? this.#start()).post(message);
  }

  #checkOpen(): void {
    if (this.#closed) throw new UploadError(CLOSED);
  }
}

/** Whether the page is steered by a finger: there the screen goes dark soon, and pages stop with it. */
function isHandheld(): boolean {
  return globalThis.matchMedia?.("(pointer: coarse)").matches ?? false;
}

/** Few pages need it. */
const openUploads = () => import("./open-uploads.js");

interface PendingCall {
  resolve(value: unknown): void;
  reject(error: UploadError): void;
}
