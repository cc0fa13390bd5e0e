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

/** The database's one store. */
const STORE = "uploads";

/**
 * Unfinished uploads in IndexedDB. Where it fails, as it may in private windows, `onFailure` is called
 * once and uploads go on without it.
 */
export class CheckpointStore {
  #db: Promise<IDBDatabase> | undefined;
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
    return this.#guard(async () => resultOf((await this.#transaction("readonly")).get(uploadId)));
  }

  async all(): Promise<StoredCheckpoint[]> {
    return (await this.#guard(async () => resultOf((await this.#transaction("readonly")).getAll()))) ?? [];
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
        const store = await this.#transaction("readwrite");
        // What fails here fails the transaction.
        for (const [uploadId, checkpoint] of batch)
          if (checkpoint) store.put(checkpoint);
          else store.delete(uploadId);
        await completed(store.transaction);
      });
    }
    this.#writing = undefined;
  }

  async #transaction(mode: IDBTransactionMode): Promise<IDBObjectStore> {
    this.#db ??= this.#open();
    return (await this.#db).transaction(STORE, mode).objectStore(STORE);
  }

  async #open(): Promise<IDBDatabase> {
    const request = indexedDB.open("syncsphere-uploader", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "uploadId" });
    const db = await resultOf(request);
    // Another page deletes it, or brings another version.
    db.onversionchange = () => db.close();
    db.onclose = () => (this.#db = undefined);
    return db;
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

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}
