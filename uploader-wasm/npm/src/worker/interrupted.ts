import { type Conductor, loadedBytes } from "syncsphere_uploader";

import type { ConductorOptions, FileDescription, Reopened, ToConductor, ToPage } from "../messages.js";
import type { InterruptedUpload } from "../types.js";
import { Checkpoints, type KeptCheckpoint } from "./checkpoints.js";
import { Ownership } from "./ownership.js";

/** A task of this page, so that its checkpoints can be kept together with what the page said of it. */
interface Watched {
  description: FileDescription;
  handle?: FileSystemFileHandle;
  uploadId?: string;
}

/** The uploads that a later page could go on with, and those that belong to this or another tab. */
export class Interrupted {
  #endpoint: string;
  #say: (message: ToPage) => void;
  #checkpoints: Checkpoints | undefined;
  #ownership = new Ownership();
  #watched = new Map<number, Watched>();

  constructor({ endpoint, persist }: ConductorOptions, say: (message: ToPage) => void) {
    this.#endpoint = endpoint;
    this.#say = say;
    if (persist) {
      this.#checkpoints = new Checkpoints(() =>
        say({
          type: "log",
          level: "warn",
          message: "IndexedDB failed: unfinished uploads may not survive this page",
        }),
      );
    }
  }

  watch(task: number, description: FileDescription, handle: FileSystemFileHandle | undefined): void {
    this.#watched.set(task, { description, handle });
  }

  save(task: number, uploadId: string, checkpoint: string): void {
    const watched = this.#watched.get(task);
    if (!watched || !this.#checkpoints) return;
    const { description, handle } = watched;
    if (watched.uploadId !== uploadId) {
      // An upload that storage lost is started anew under another id.
      if (watched.uploadId) this.#drop(watched.uploadId);
      watched.uploadId = uploadId;
      void this.#ownership.take(uploadId);
    }
    this.#checkpoints.put({ uploadId, endpoint: this.#endpoint, checkpoint, description, handle });
  }

  forget(task: number): void {
    const uploadId = this.#watched.get(task)?.uploadId;
    if (uploadId) this.#drop(uploadId);
    this.#watched.delete(task);
  }

  /** A task has ended; what is still kept of its upload is free for another page. */
  end(task: number): void {
    const uploadId = this.#watched.get(task)?.uploadId;
    if (uploadId) this.#ownership.release(uploadId);
    this.#watched.delete(task);
  }

  /** Fulfilled once everything is written. */
  async flush(): Promise<void> {
    await this.#checkpoints?.flush();
  }

  async list(): Promise<InterruptedUpload[]> {
    const owned = await this.#ownership.all();
    const found: InterruptedUpload[] = [];
    for (const record of (await this.#checkpoints?.all()) ?? []) {
      if (record.endpoint !== this.#endpoint || owned.has(record.uploadId)) continue;
      const upload = describe(record);
      if (upload) found.push(upload);
      else
        this.#say({ type: "log", level: "warn", message: "a kept upload is damaged, or of a newer version" });
    }
    return found;
  }

  /** The upload that a task of this tab works on, once it is kept. */
  uploadOf(task: number): string | undefined {
    return this.#watched.get(task)?.uploadId;
  }

  /** The uploads that other tabs are busy with. */
  async elsewhere(): Promise<string[]> {
    return this.#checkpoints ? this.#ownership.others() : [];
  }

  /** What is kept of an upload, whoever works on it. */
  async find(uploadId: string): Promise<InterruptedUpload | undefined> {
    const record = await this.#checkpoints?.get(uploadId);
    return record && record.endpoint === this.#endpoint ? describe(record) : undefined;
  }

  /** What the page needs to go on with an interrupted upload; `undefined` if there is no such one. */
  async reopen(uploadId: string): Promise<Reopened | undefined> {
    const owned = await this.#ownership.all();
    const record = await this.#checkpoints?.get(uploadId);
    const kept = record && record.endpoint === this.#endpoint && describe(record);
    if (!kept || owned.has(uploadId)) return undefined;
    const { path, metadata, renamed } = record.description;
    return { name: kept.name, size: kept.size, handle: record.handle, path, metadata, renamed };
  }

  async restore(conductor: Conductor, order: Extract<ToConductor, { type: "restore" }>): Promise<void> {
    const { task, uploadId, file, description } = order;
    const record = await this.#checkpoints?.get(uploadId);
    if (!record || !(await this.#ownership.take(uploadId))) {
      const failure = {
        code: "not_interrupted",
        message: "another tab has taken it up",
        retryable: false,
      } as const;
      return this.#say({ type: "failed", task, failure });
    }
    try {
      this.#watched.set(task, { description, handle: record.handle, uploadId });
      conductor.restore(task, file, JSON.stringify(description), record.checkpoint);
    } catch {
      const failure = {
        code: "checkpoint_invalid",
        message: "the kept upload cannot be used",
        retryable: false,
      } as const;
      this.#say({ type: "failed", task, failure });
      this.end(task);
    }
  }

  /** Whether there was such an upload, and nobody was busy with it. */
  async discard(conductor: Conductor, uploadId: string): Promise<boolean> {
    const [owned, record] = [await this.#ownership.all(), await this.#checkpoints?.get(uploadId)];
    const isFree = record?.endpoint === this.#endpoint && !owned.has(uploadId);
    if (!isFree || !(await this.#ownership.take(uploadId))) return false;
    conductor.discard(uploadId);
    this.#drop(uploadId);
    await this.flush();
    return true;
  }

  #drop(uploadId: string): void {
    this.#checkpoints?.delete(uploadId);
    // Free before it is deleted, it would look interrupted to other tabs.
    void this.flush().then(() => this.#ownership.release(uploadId));
  }
}

/** `undefined` for a checkpoint that is damaged, or of a newer version. */
function describe({ uploadId, checkpoint, handle }: KeptCheckpoint): InterruptedUpload | undefined {
  const loaded = loadedBytes(checkpoint);
  if (loaded === undefined) return undefined;
  const { name, size } = JSON.parse(checkpoint) as { name: string; size: number };
  return { uploadId, name, size, loaded, needsFile: !handle };
}
