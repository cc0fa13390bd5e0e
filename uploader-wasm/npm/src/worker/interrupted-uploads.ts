import { type Conductor, loadedBytes } from "syncsphere_uploader";

import type { ConductorOptions, FileDescription, ReopenedUpload, ToConductor, ToPage } from "../messages.js";
import type { InterruptedUpload } from "../types.js";
import { CheckpointStore, type StoredCheckpoint } from "./checkpoint-store.js";
import { UploadLocks } from "./upload-locks.js";

/** A task of this page, so that its checkpoints can be kept together with what the page said of it. */
interface TrackedTask {
  description: FileDescription;
  handle?: FileSystemFileHandle;
  uploadId?: string;
}

/** The uploads that a later page could go on with, and those that belong to this or another tab. */
export class InterruptedUploads {
  #endpoint: string;
  #post: (message: ToPage) => void;
  #checkpoints: CheckpointStore | undefined;
  #locks = new UploadLocks();
  #tracked = new Map<number, TrackedTask>();

  constructor({ endpoint, persist }: ConductorOptions, post: (message: ToPage) => void) {
    this.#endpoint = endpoint;
    this.#post = post;
    if (persist) {
      this.#checkpoints = new CheckpointStore(() =>
        post({
          type: "log",
          level: "warn",
          message: "IndexedDB failed: unfinished uploads may not survive this page",
        }),
      );
    }
  }

  track(task: number, description: FileDescription, handle: FileSystemFileHandle | undefined): void {
    this.#tracked.set(task, { description, handle });
  }

  save(task: number, uploadId: string, checkpoint: string): void {
    const tracked = this.#tracked.get(task);
    if (!tracked || !this.#checkpoints) return;
    const { description, handle } = tracked;
    if (tracked.uploadId !== uploadId) {
      // An upload that storage lost is started anew under another id.
      if (tracked.uploadId) this.#remove(tracked.uploadId);
      tracked.uploadId = uploadId;
      void this.#locks.acquire(uploadId);
    }
    this.#checkpoints.put({ uploadId, endpoint: this.#endpoint, checkpoint, description, handle });
  }

  forget(task: number): void {
    const uploadId = this.#tracked.get(task)?.uploadId;
    if (uploadId) this.#remove(uploadId);
    this.#tracked.delete(task);
  }

  /** A task has ended; what is still kept of its upload is free for another page. */
  end(task: number): void {
    const uploadId = this.#tracked.get(task)?.uploadId;
    if (uploadId) this.#locks.release(uploadId);
    this.#tracked.delete(task);
  }

  /** Fulfilled once everything is written. */
  async flush(): Promise<void> {
    await this.#checkpoints?.flush();
  }

  async list(): Promise<InterruptedUpload[]> {
    const owned = await this.#locks.held();
    const found: InterruptedUpload[] = [];
    for (const record of (await this.#checkpoints?.all()) ?? []) {
      if (record.endpoint !== this.#endpoint || owned.has(record.uploadId)) continue;
      const upload = describe(record);
      if (upload) found.push(upload);
      else
        this.#post({
          type: "log",
          level: "warn",
          message: "a kept upload is damaged, or of a newer version",
        });
    }
    return found;
  }

  /** The upload that a task of this tab works on, once it is kept. */
  uploadOf(task: number): string | undefined {
    return this.#tracked.get(task)?.uploadId;
  }

  /** The uploads that other tabs are busy with. */
  async heldByOthers(): Promise<string[]> {
    return this.#checkpoints ? this.#locks.heldByOthers() : [];
  }

  /** What is kept of an upload, whoever works on it. */
  async find(uploadId: string): Promise<InterruptedUpload | undefined> {
    const record = await this.#checkpoints?.get(uploadId);
    return record && record.endpoint === this.#endpoint ? describe(record) : undefined;
  }

  /** What the page needs to go on with an interrupted upload; `undefined` if there is no such one. */
  async reopen(uploadId: string): Promise<ReopenedUpload | undefined> {
    const owned = await this.#locks.held();
    const record = await this.#checkpoints?.get(uploadId);
    const kept = record && record.endpoint === this.#endpoint && describe(record);
    if (!kept || owned.has(uploadId)) return undefined;
    const { path, metadata, chosenType, renamed } = record.description;
    const { name, size, loaded } = kept;
    return { name, size, loaded, handle: record.handle, path, metadata, chosenType, renamed };
  }

  async restore(conductor: Conductor, order: Extract<ToConductor, { type: "restore" }>): Promise<void> {
    const { task, uploadId, file, description } = order;
    const record = await this.#checkpoints?.get(uploadId);
    if (!record || !(await this.#locks.acquire(uploadId))) {
      const failure = {
        code: "not_interrupted",
        message: "another tab has taken it up",
        retryable: false,
      } as const;
      return this.#post({ type: "failed", task, failure });
    }
    try {
      this.#tracked.set(task, { description, handle: record.handle, uploadId });
      conductor.restore(task, file, JSON.stringify(description), record.checkpoint);
    } catch {
      const failure = {
        code: "checkpoint_invalid",
        message: "the kept upload cannot be used",
        retryable: false,
      } as const;
      this.#post({ type: "failed", task, failure });
      this.end(task);
    }
  }

  /** Whether there was such an upload, and nobody was busy with it. */
  async discard(conductor: Conductor, uploadId: string): Promise<boolean> {
    const [owned, record] = [await this.#locks.held(), await this.#checkpoints?.get(uploadId)];
    const isFree = record?.endpoint === this.#endpoint && !owned.has(uploadId);
    if (!isFree || !(await this.#locks.acquire(uploadId))) return false;
    conductor.discard(uploadId);
    this.#remove(uploadId);
    await this.flush();
    return true;
  }

  #remove(uploadId: string): void {
    this.#checkpoints?.delete(uploadId);
    // Free before it is deleted, it would look interrupted to other tabs.
    void this.flush().then(() => this.#locks.release(uploadId));
  }
}

/** `undefined` for a checkpoint that is damaged, or of a newer version. */
function describe({ uploadId, checkpoint, handle }: StoredCheckpoint): InterruptedUpload | undefined {
  const loaded = loadedBytes(checkpoint);
  if (loaded === undefined) return undefined;
  const { name, size } = JSON.parse(checkpoint) as { name: string; size: number };
  return { uploadId, name, size, loaded, needsFile: !handle };
}
