import { type DBSchema, type IDBPDatabase, openDB } from "idb";

import type { FileDescription } from "../messages.js";

/** What is kept of an unfinished upload. */
export interface StoredCheckpoint {
  uploadId: string;
  endpoint: string;
  /** The engine's own format. */
  checkpoint: string;
  description: FileDescription;
  handle?: FileSystemFileHandle;
}

interface Schema extends DBSchema {
  uploads: { key: string; value: StoredCheckpoint };
}

/**
 * Unfinished uploads in IndexedDB. Where it fails, as it may in private windows, `onFailure` is called
 * once and uploads go on without it.
 */
export class CheckpointStore {
  #db: Promise<IDBPDatabase<Schema>> | undefined;
  #onFailure: () => void;
  #failed = false;
  /** The newest state of each upload that has not been written yet; `undefined` deletes. */
  #unwritten = new Map<string, StoredCheckpoint | undefined>();
  #writing: Promise<void> | undefined;

  constructor(onFailure: () => void) {
    this.#onFailure = onFailure;
  }

  /** Replaces what is kept of an upload. Returns at once; states that are overtaken are not written. */
  put(checkpoint: StoredCheckpoint): void {
    this.#queue(checkpoint.uploadId, checkpoint);
  }

  delete(uploadId: string): void {
    this.#queue(uploadId, undefined);
  }

  /** Fulfilled once everything is written. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async get(uploadId: string): Promise<StoredCheckpoint | undefined> {
    return this.#guard(async () => (await this.#open()).get("uploads", uploadId));
  }

  async all(): Promise<StoredCheckpoint[]> {
    return (await this.#guard(async () => (await this.#open()).getAll("uploads"))) ?? [];
  }

  #queue(uploadId: string, checkpoint: StoredCheckpoint | undefined): void {
    this.#unwritten.set(uploadId, checkpoint);
    this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    while (this.#unwritten.size > 0) {
      const batch = [...this.#unwritten];
      this.#unwritten.clear();
      await this.#guard(async () => {
        const transaction = (await this.#open()).transaction("uploads", "readwrite");
        for (const [uploadId, checkpoint] of batch) {
          const { store } = transaction;
          // What fails here fails the transaction, and is told below.
          (checkpoint ? store.put(checkpoint) : store.delete(uploadId)).catch(() => {});
        }
        await transaction.done;
      });
    }
    this.#writing = undefined;
  }

  #open(): Promise<IDBPDatabase<Schema>> {
    this.#db ??= openDB<Schema>("syncsphere-uploader", 1, {
      upgrade: (db) => void db.createObjectStore("uploads", { keyPath: "uploadId" }),
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
      terminated: () => (this.#db = undefined),
    });
    return this.#db;
  }

  async #guard<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch {
      this.#db = undefined;
      if (!this.#failed) this.#onFailure();
      this.#failed = true;
      return undefined;
    }
  }
}
