/** One stream's file in the private file system, which a worker writes and reads, and the note beside it. */
import { UploadError } from "../errors.js";
import type { Answer, FromSpool, Order, ToSpool } from "./spool-messages.js";
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
  #worker: Worker | undefined;
  #lastId = 0;
  #pending = new Map<number, PendingOrder>();

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
  acquire(): Promise<boolean> {
    return new Promise((resolve) => {
      const hold = (lock: Lock | null) => {
        resolve(lock !== null);
        return lock && new Promise<void>((release) => (this.#release = release));
      };
      void navigator.locks.request(LOCK + this.handle.name, { ifAvailable: true }, hold);
    });
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

  /** Starts the worker of the script at this address. Rejects with `unsupported` where it cannot write. */
  async open(scriptUrl: string | URL | undefined): Promise<void> {
    // Bundlers look for exactly this expression.
    const worker = scriptUrl
      ? new Worker(scriptUrl, { type: "module" })
      : new Worker(new URL("./spool.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<FromSpool>) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#worker = undefined;
      for (const { reject } of this.#pending.values()) reject(unsupported(event));
      this.#pending.clear();
    };
    this.#worker = worker;
    await this.#ask({ type: "open", folder: FOLDER, name: this.handle.name });
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
    await this.#ask({ type: "note", folder: FOLDER, name: this.#noteName, text: JSON.stringify(note) });
  }

  /** Has everything written, and ends the worker, if there is one. */
  async close(): Promise<void> {
    const worker = this.#worker;
    if (!worker) return;
    try {
      await this.#ask({ type: "close" });
    } finally {
      this.#worker = undefined;
      worker.terminate();
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

  #ask(order: Order): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (!this.#worker) return reject(unsupported("the worker has ended"));
      const message: ToSpool = { id: ++this.#lastId, ...order };
      this.#pending.set(message.id, { resolve, reject });
      this.#worker.postMessage(message);
    });
  }

  #receive(message: FromSpool): void {
    const order = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.type === "done") order?.resolve(message.answer);
    else if (message.name === "QuotaExceededError") order?.reject(noRoom(message));
    else order?.reject(unsupported(message));
  }
}

interface PendingOrder {
  resolve(answer: Answer): void;
  reject(error: UploadError): void;
}

/** Why a stream cannot be kept at all. */
export function unsupported(cause: unknown): UploadError {
  const message = "no private file system to keep the stream in";
  return new UploadError({ code: "unsupported", message, retryable: false }, { cause });
}

function noRoom(cause: unknown): UploadError {
  const message = "no room to keep the stream in: the browser's quota is used up";
  return new UploadError({ code: "file_unreadable", message, retryable: false }, { cause });
}
