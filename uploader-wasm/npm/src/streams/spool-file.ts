/** One stream's file in the private file system, which a worker writes and reads, and the note beside it. */
import { UploadError } from "../errors.js";
import { acquireLock } from "../web-lock.js";
import { workerOf } from "../worker-of.js";
import { WorkerOrders } from "../worker-orders.js";
import type { Answer, Order, SpoolFailure } from "./spool-messages.js";
import { parseNote, type StreamNote } from "./stream-note.js";

/** Where all of them are. */
export const FOLDER = "syncsphere-uploader";

/** Of the lock that marks a file as somebody's. */
export const LOCK = "syncsphere-spool:";

/** Letters of the id that a file's name begins with, as `crypto.randomUUID` gives it. */
const ID_LENGTH = 36;

/** Whether a file of the folder is a stream, and no note. */
export function isStream(fileName: string): boolean {
  return fileName[ID_LENGTH] === "-";
}

/** One stream's file. */
export class SpoolFile {
  readonly handle: FileSystemFileHandle;
  /** Bytes that it had when it was found. */
  readonly size: number;
  #folder: FileSystemDirectoryHandle;
  #release = () => {};
  #worker: WorkerOrders<Order, Answer, SpoolFailure> | undefined;

  constructor(folder: FileSystemDirectoryHandle, handle: FileSystemFileHandle, size: number) {
    this.#folder = folder;
    this.handle = handle;
    this.size = size;
  }

  /** The stream's name, as far as the name of its file has room for it. */
  get name(): string {
    return decodeURIComponent(this.handle.name.slice(ID_LENGTH + 1));
  }

  /** Marks the file as this page's, until it is released or the page is gone; `false` where it is another page's. */
  async acquire(): Promise<boolean> {
    const release = await acquireLock(LOCK + this.handle.name);
    if (release) this.#release = release;
    return release !== undefined;
  }

  /** Leaves the file to whoever wants it. */
  release(): void {
    this.#release();
  }

  /** What is written down beside it. */
  async note(): Promise<StreamNote | undefined> {
    try {
      const handle = await this.#folder.getFileHandle(this.#noteName);
      return parseNote(await (await handle.getFile()).text());
    } catch {
      return undefined;
    }
  }

  /**
   * Starts the worker of the script at this address. Rejects with `worker_failed` where there is none, with `unsupported`
   * where it cannot write.
   */
  async open(scriptUrl: string | URL | undefined): Promise<void> {
    const make = () =>
      workerOf(
        scriptUrl,
        // Vite has small files in the bundle, as `data:`: then nothing tells that the script of the worker is on another host.
        new URL("./spool.js", import.meta.url),
        // Bundlers look for exactly this expression.
        () => new Worker(new URL("./spool.js", import.meta.url), { type: "module" }),
      );
    this.#worker = new WorkerOrders(make, (why) => {
      if ("ended" in why) return workerFailed(why.ended);
      return why.failed.name === "QuotaExceededError" ? noRoom(why.failed) : unsupported(why.failed);
    });
    await this.#ask({ type: "open", path: [FOLDER, this.handle.name] });
  }

  /** Appends bytes; gives how many there are now. Rejects with `file_unreadable` where there is no room. */
  async write(bytes: Uint8Array): Promise<number> {
    return (await this.#ask({ type: "write", bytes })).bytes;
  }

  /** So many bytes, and their CRC64NVME in base64. */
  async read(at: number, length: number): Promise<{ content: Uint8Array<ArrayBuffer>; crc64nvme: string }> {
    const { content, crc64nvme } = await this.#ask({ type: "read", at, length });
    return { content: content!, crc64nvme: crc64nvme! };
  }

  /** CRC64NVME of all that was written, in base64. */
  async checksum(): Promise<string> {
    return (await this.#ask({ type: "checksum" })).crc64nvme!;
  }

  /** Replaces what is written down beside it. */
  async writeNote(note: StreamNote): Promise<void> {
    await this.#ask({ type: "note", path: [FOLDER, this.#noteName], text: JSON.stringify(note) });
  }

  /** Has everything written, and ends the worker, if there is one. */
  async close(): Promise<void> {
    const worker = this.#worker;
    if (!worker) return;
    try {
      await this.#ask({ type: "close" });
    } finally {
      this.#worker = undefined;
      worker.end();
    }
  }

  /** Removes the file, its note first, and releases it. */
  async remove(): Promise<void> {
    // A file that is being written cannot be removed.
    await this.close().catch(() => {});
    // Another page may have removed them.
    await this.#folder.removeEntry(this.#noteName).catch(() => {});
    await this.#folder.removeEntry(this.handle.name).catch(() => {});
    this.release();
  }

  get #noteName(): string {
    return `${this.handle.name.slice(0, ID_LENGTH)}.json`;
  }

  async #ask(order: Order): Promise<Answer> {
    if (!this.#worker) throw workerFailed("the worker has ended");
    return this.#worker.ask(order);
  }
}

/** Why a stream cannot be kept at all. */
export function unsupported(cause: unknown): UploadError {
  const message = "no private file system to keep the stream in";
  return new UploadError({ code: "unsupported", message, retryable: false }, { cause });
}

function workerFailed(cause: unknown): UploadError {
  const message =
    "spool.js could not be loaded, or failed: where it is on another host, allow worker-src blob: and that host, or use spoolUrl";
  return new UploadError({ code: "worker_failed", message, retryable: true }, { cause });
}

function noRoom(cause: unknown): UploadError {
  const message = "no room to keep the stream in: the browser's quota is used up";
  return new UploadError({ code: "file_unreadable", message, retryable: false }, { cause });
}
