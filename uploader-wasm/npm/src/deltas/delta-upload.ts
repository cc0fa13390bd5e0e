import { CoordinatorClient } from "../coordinator-client.js";
import { UploadError } from "../errors.js";
import { idempotencyKey } from "../idempotency-key.js";
import type { Failure, ToConductor, ToTask } from "../messages.js";
import { isGone, type NewUpload } from "../multipart-upload.js";
import { Patience } from "../patience.js";
import { isFinal } from "../task-state.js";
import type { UploadTask } from "../task.js";
import type { FileRecord, TaskState, UploaderOptions } from "../types.js";
import { ActivityCounter, type ActivityTarget } from "./activity-counter.js";
import { findBases, takeOver, tellIndex, type FoundBases } from "./bases.js";
import { ContentHasher, type ContentIndex, type Cutting, type Segment } from "./content-hasher.js";
import { DeltaParts } from "./delta-parts.js";
import { DeltaProgress } from "./delta-progress.js";
import { Gate } from "./gate.js";
import { GrowingPlan } from "./growing-plan.js";
import { MIN_DELTA_SIZE } from "./least-size.js";
import {
  bestPlan,
  cuttingFor,
  isPlannedEarly,
  longestChunk,
  sameContent,
  usableBases,
  type IndexedBase,
} from "./plan.js";
import { transfer } from "./transfer.js";
import { Turns } from "./turns.js";

/** How many files are asked about at a time, read and sent, and indexed afterwards. Source: own choice. */
const asking = new Turns(6);
const moving = new Turns(2);
const indexing = new Turns(1);

type Add = Extract<ToConductor, { type: "add" }>;

/** What an upload that may send only what changed is given. */
export interface DeltaStart {
  uploader: ActivityTarget & { readonly options: UploaderOptions };
  task: UploadTask;
  /** The order by which the engine uploads the whole file. */
  add: Add;
  /** Gives it. */
  post(): void;
  /** Tells the task, and whoever else is to know. */
  deliver(message: ToTask, cause?: unknown): void;
  /** Whether the uploader has not been closed. */
  isOpen(): boolean;
}

/** One file: finds out what it may take from, and has it sent so, or else by the engine. */
export class DeltaUpload {
  #start: DeltaStart;
  #options: UploaderOptions;
  #client: CoordinatorClient;
  /** Whether the page has told what it is to be the next version of. */
  #isBaseNamed: boolean;
  #patience: Patience;
  #end = new AbortController();
  #gate = new Gate();
  /** Lets another file go in its place, for as long as this one is paused and longer. */
  #leave = () => {};
  #state: TaskState = "queued";
  #isOffline = false;
  #progress: DeltaProgress;
  #parts: DeltaParts;
  #found: FoundBases | undefined;
  #index: ContentIndex | undefined;
  /** What the engine has not been told. */
  #orders = new Set<"watch" | "prioritize">();

  constructor(start: DeltaStart) {
    this.#start = start;
    this.#options = start.uploader.options;
    this.#client = new CoordinatorClient(this.#options);
    this.#isBaseNamed = start.add.description.base !== undefined;
    this.#patience = new Patience(this.#options.retry, this.#end.signal);
    this.#progress = new DeltaProgress(start.add.file.size, (progress) =>
      this.#deliver({ type: "progress", progress }),
    );
    this.#parts = new DeltaParts(start.add.file.size, ActivityCounter.of(start.uploader), (parts) =>
      this.#deliver({ type: "parts", parts }),
    );
  }

  /** Takes the task's orders from now on, until the engine does. */
  async run(): Promise<void> {
    const { task } = this.#start;
    const ended = task.done.then((record) => this.#available(record));
    ended.catch(() => {});
    const engine = task.send;
    task.send = (order) => this.#take(order);
    // It has ended otherwise, as by `close`.
    task.addEventListener("statechange", () => isFinal(task.state) && this.#end.abort());
    try {
      const record = await this.#upload();
      if (record) return this.#deliver({ type: "available", record: JSON.stringify(record) });
      this.#end.signal.throwIfAborted();
    } catch (error) {
      if (isFinal(task.state)) return;
      if (this.#end.signal.aborted) return this.#deliver({ type: "state", state: "aborted" });
      return this.#deliver({ type: "failed", failure: failureOf(error) }, error);
    }
    task.send = engine;
    this.#parts.unwatch();
    this.#start.post();
    for (const order of this.#orders) engine(order);
    if (this.#gate.isClosed) engine("pause");
  }

  /** `undefined` where the file is to go as a whole. */
  async #upload(): Promise<FileRecord | undefined> {
    const { signal } = this.#end;
    this.#found = await asking.run(() => this.#ask(), signal);
    const { add } = this.#start;
    if (!this.#found) return undefined;
    add.description.base ??= optional(this.#found.bases.find(({ sameName }) => sameName)?.fileId);
    const bases = usableBases(this.#found, add.file.size);
    if (bases.length === 0) return undefined;
    return await moving.run(async (leave) => {
      this.#leave = leave;
      if (this.#gate.isClosed) leave();
      const hasher = new ContentHasher(this.#options);
      try {
        return await this.#compare(hasher, bases);
      } finally {
        hasher.end();
      }
    }, signal);
  }

  /** `undefined` where nobody can tell of any base. */
  async #ask(): Promise<FoundBases | undefined> {
    const { signal } = this.#end;
    const { file, description } = this.#start.add;
    const { name, path, base } = description;
    try {
      await this.#gate.pass(signal);
      return await findBases(this.#client, { name, path, base, size: file.size }, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (base !== undefined && isUnknownCall(error)) {
        // Of an earlier release, which knows no versions: is there such a file at all?
        await this.#client.request({ method: "GET", path: `/v1/files/${encodeURIComponent(base)}`, signal });
        description.base = undefined;
      }
      this.#log(error);
      return undefined;
    }
  }

  async #compare(hasher: ContentHasher, bases: IndexedBase[]): Promise<FileRecord | undefined> {
    const { signal } = this.#end;
    const { equalParts } = this.#found!;
    let plan, cutting;
    try {
      cutting = hasher.cuttingOf(bases[0]!.chunks);
      const early = new GrowingPlan(bases[0]!.fileId);
      const reading = this.#read(hasher, cutting, bases, early);
      // The plan tells.
      reading.catch(() => {});
      if (await early.copiesEarly(signal)) plan = early;
      else {
        const index = await reading;
        const record = await this.#takeOver(bases, index);
        if (record) return record;
        plan = await bestPlan(hasher, bases, index, equalParts, early);
      }
    } catch (error) {
      signal.throwIfAborted();
      // Nothing has been sent: the engine finds out what is wrong, or does without.
      this.#log(error);
      return undefined;
    }
    return plan && (await this.#transfer(plan, longestChunk(cutting)));
  }

  /** Indexes the file. Where most of it should be in the first of the bases, its plan grows meanwhile, once it is none of them. */
  async #read(
    hasher: ContentHasher,
    cutting: Cutting,
    bases: IndexedBase[],
    plan: GrowingPlan,
  ): Promise<ContentIndex> {
    const { signal } = this.#end;
    const { file, description } = this.#start.add;
    const { size } = file;
    const first = bases[0]!;
    const isEarly = isPlannedEarly({ ...description, size }, first, this.#found!.equalParts);
    const sameSize = bases.filter((base) => base.size === size);
    const comparison = {
      base: first.chunks,
      known: sameSize.map(({ chunks }) => chunks),
      onSegments: (segments: Segment[]) => plan.add(segments),
    };
    try {
      const { rest, ...index } = await hasher.index(file, cutting, { signal, ...(isEarly && comparison) });
      this.#index = index;
      plan.end(index, rest);
      return index;
    } catch (error) {
      plan.fail(error);
      throw error;
    }
  }

  /** `undefined` where the file is to go as a whole after all. */
  async #transfer(plan: GrowingPlan, longestPart: number): Promise<FileRecord | undefined> {
    const { signal } = this.#end;
    const { add } = this.#start;
    await this.#gate.pass(signal);
    this.#setState("uploading");
    try {
      return await transfer({
        client: this.#client,
        options: this.#options,
        file: add.file,
        description: this.#description(),
        plan,
        longestPart,
        parts: this.#parts,
        signal,
        attempt: this.#attempt,
        onProgress: (loaded, copied) => this.#progress.update(loaded, copied),
        onCompleting: () => {
          this.#progress.flush();
          this.#parts.flush();
          this.#setState("completing");
        },
      });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof UploadError && error.code === "worker_failed") {
        this.#log(error);
        return undefined;
      }
      if (this.#isBaseNamed || !isGone(error)) throw error;
      // It is gone however often it is begun: the engine may do better, and without a base that nobody named.
      add.description.base = undefined;
      return undefined;
    }
  }

  /** `undefined` where none of them has this content. */
  async #takeOver(bases: IndexedBase[], index: ContentIndex): Promise<FileRecord | undefined> {
    const { signal } = this.#end;
    const same = await sameContent(bases, index);
    if (!same) return undefined;
    const { lastModified: _, size: _size, ...description } = this.#description();
    const file = { ...description, from: same.fileId, content: index.content };
    const key = idempotencyKey();
    try {
      const record = await this.#patience.outlast(() =>
        this.#attempt((signal) => takeOver(this.#client, file, key, signal), signal),
      );
      this.#progress.skip();
      this.#parts.skip();
      return record;
    } catch (error) {
      signal.throwIfAborted();
      // It may have gone meanwhile.
      this.#log(error);
      return undefined;
    }
  }

  /** Whichever way it went: what comes later may take from it. */
  async #available(record: FileRecord): Promise<void> {
    const { task, add, isOpen } = this.#start;
    const options = this.#options;
    if (record.conflict) {
      const detail = { fileId: record.conflict };
      task.dispatchEvent(new CustomEvent("conflict", { detail }));
    }
    const { copies, equalParts } = this.#found ?? {};
    const isWanted = this.#index || add.file.size >= MIN_DELTA_SIZE;
    if (!copies || !isWanted || !record.checksum.crc64nvme) return;
    const end = new AbortController();
    await indexing.run(async () => {
      const packed = this.#index?.packed ?? (await indexOf(add.file, !!equalParts, options, isOpen, end));
      const patience = new Patience(options.retry, end.signal);
      await patience.outlast(() => tellIndex(this.#client, record.fileId, packed, end.signal));
    }, end.signal);
  }

  #description(): NewUpload {
    const { file, description } = this.#start.add;
    const { name, path, metadata, contentType, lastModified, base } = description;
    const { size } = file;
    return { name, path, metadata, contentType: contentType || undefined, lastModified, base, size };
  }

  #take(order: Parameters<UploadTask["send"]>[0]): void {
    switch (order) {
      case "pause":
        this.#gate.close();
        this.#leave();
        return this.#show();
      case "resume":
        this.#gate.open();
        return this.#show();
      case "abort":
        return this.#end.abort();
      case "watch":
        this.#parts.watch();
        return void this.#orders.add(order);
      case "unwatch":
        this.#parts.unwatch();
        return void this.#orders.delete("watch");
      default:
        this.#orders.add(order);
    }
  }

  /** One attempt of a request: none is made while it is paused. Tells whether anybody answers. */
  #attempt = async <T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> => {
    try {
      const result = await this.#gate.run(work, signal);
      this.#setOffline(false);
      return result;
    } catch (error) {
      if (!signal.aborted) this.#setOffline(isOutage(error));
      throw error;
    }
  };

  #setOffline(isOffline: boolean): void {
    this.#isOffline = isOffline;
    this.#show();
  }

  #setState(state: TaskState): void {
    this.#state = state;
    this.#show();
  }

  #show(): void {
    const { task } = this.#start;
    const state = this.#gate.isClosed ? "paused" : this.#isOffline ? "offline" : this.#state;
    if (state !== task.state && !isFinal(task.state)) this.#deliver({ type: "state", state });
  }

  #deliver(message: WithoutTask<ToTask>, cause?: unknown): void {
    this.#start.deliver({ ...message, task: this.#start.add.task }, cause);
  }

  /** Why a file goes as a whole. A logger of the page's that throws harms nothing. */
  #log(error: unknown): void {
    const { code, message } = failureOf(error);
    try {
      this.#options.logger?.debug(`sent as a whole: ${code}: ${message}`);
    } catch {
      // It is the page's to mend.
    }
  }
}

type WithoutTask<Message> = Message extends unknown ? Omit<Message, "task"> : never;

async function indexOf(
  file: Blob,
  equalParts: boolean,
  options: UploaderOptions,
  isOpen: () => boolean,
  end: AbortController,
): Promise<Uint8Array> {
  const hasher = new ContentHasher(options);
  const onProgress = () => isOpen() || end.abort();
  try {
    const cutting = cuttingFor(file.size, equalParts);
    return (await hasher.index(file, cutting, { signal: end.signal, onProgress })).packed;
  } finally {
    hasher.end();
  }
}

/** As `base` of an upload that goes on without it where it is gone by then: nobody has asked for it. */
function optional(base: string | undefined): string | undefined {
  return base && `${base}?`;
}

function isUnknownCall(error: unknown): boolean {
  return error instanceof UploadError && (error.status === 404 || error.status === 405);
}

function isOutage(error: unknown): boolean {
  return error instanceof UploadError && /_unreachable$|^storage_unavailable$/.test(error.code);
}

function failureOf(error: unknown): Failure {
  if (error instanceof UploadError) {
    const { code, reason, message, retryable, requestId, status } = error;
    return { code, reason, message, retryable, requestId, status };
  }
  return { code: "internal", message: String(error), retryable: false };
}
