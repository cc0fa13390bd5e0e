/** The files in which streams are kept until they are uploaded: one folder of the origin's private file system. */
import { UploadError } from "../errors.js";
import { CheckpointStore } from "../worker/checkpoint-store.js";
import type { FromSpool, ToSpool } from "./spool-messages.js";

const FOLDER = "syncsphere-uploader";

/** Of the lock that marks a file as somebody's. */
const LOCK = "syncsphere-spool:";

/** Longest encoded name of a stream in the name of its file. Source: own choice, below the 255 bytes of a file's name. */
const MAX_NAME = 200;

/** The folder. */
export class SpoolFolder {
  #folder: FileSystemDirectoryHandle;
  #scriptUrl: string | URL | undefined;

  private constructor(folder: FileSystemDirectoryHandle, scriptUrl: string | URL | undefined) {
    this.#folder = folder;
    this.#scriptUrl = scriptUrl;
  }

  /** Rejects with `unsupported` where there is no private file system. `scriptUrl` is that of the worker's script. */
  static async open(scriptUrl?: string | URL): Promise<SpoolFolder> {
    try {
      const root = await navigator.storage.getDirectory();
      return new SpoolFolder(await root.getDirectoryHandle(FOLDER, { create: true }), scriptUrl);
    } catch (cause) {
      throw unsupported(cause);
    }
  }

  /** A new file for a stream of this name, which is this page's. */
  async create(name: string): Promise<SpoolFile> {
    const fileName = `${crypto.randomUUID()}-${encodedName(name)}`;
    const handle = await this.#folder.getFileHandle(fileName, { create: true });
    const file = new SpoolFile(this.#folder, handle, 0);
    await file.acquire();
    await file.startWriting(this.#scriptUrl);
    return file;
  }

  /** The files that no page is busy with and no unfinished upload is of; empty ones are removed. */
  async abandoned(): Promise<SpoolFile[]> {
    const { held = [] } = await navigator.locks.query();
    const busy = new Set(held.map(({ name }) => name));
    const kept = await new CheckpointStore(() => {}).all();
    const found: SpoolFile[] = [];
    for await (const handle of values(this.#folder)) {
      if (handle.kind !== "file" || busy.has(LOCK + handle.name)) continue;
      const uses = await Promise.all(kept.map((upload) => upload.handle?.isSameEntry(handle)));
      if (uses.includes(true)) continue;
      const { size } = await (handle as FileSystemFileHandle).getFile();
      const file = new SpoolFile(this.#folder, handle as FileSystemFileHandle, size);
      if (size > 0) found.push(file);
      else await file.remove();
    }
    return found;
  }
}

/** One stream's file. */
export class SpoolFile {
  readonly handle: FileSystemFileHandle;
  /** Bytes that it had when it was found. */
  readonly size: number;
  #folder: FileSystemDirectoryHandle;
  #release = () => {};
  #writer: Worker | undefined;

  constructor(folder: FileSystemDirectoryHandle, handle: FileSystemFileHandle, size: number) {
    this.#folder = folder;
    this.handle = handle;
    this.size = size;
  }

  /** The stream's name. */
  get name(): string {
    const encoded = this.handle.name.slice(crypto.randomUUID().length + 1);
    return decodeURIComponent(encoded);
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

  /** Rejects with `unsupported` where it cannot be written to. */
  async startWriting(scriptUrl: string | URL | undefined): Promise<void> {
    // Bundlers look for exactly this expression.
    this.#writer = scriptUrl
      ? new Worker(scriptUrl, { type: "module" })
      : new Worker(new URL("./spool.js", import.meta.url), { type: "module" });
    await this.#ask({ type: "open", folder: FOLDER, name: this.handle.name });
  }

  /** Appends bytes; gives how many there are now. Rejects with `file_unreadable` where there is no room. */
  async write(bytes: Uint8Array): Promise<number> {
    return this.#ask({ type: "write", bytes });
  }

  /** Has everything written, and ends writing. */
  async close(): Promise<void> {
    try {
      await this.#ask({ type: "close" });
    } finally {
      this.#writer?.terminate();
    }
  }

  /** Removes the file and releases it. */
  async remove(): Promise<void> {
    this.#writer?.terminate();
    // Another page may have removed it.
    await this.#folder.removeEntry(this.handle.name).catch(() => {});
    this.release();
  }

  #ask(message: ToSpool): Promise<number> {
    return new Promise((resolve, reject) => {
      const writer = this.#writer!;
      writer.onmessage = ({ data }: MessageEvent<FromSpool>) => {
        if (data.type === "done") resolve(data.bytes);
        else if (data.name === "QuotaExceededError") reject(noRoom(data));
        else reject(unsupported(data));
      };
      writer.onerror = (event) => {
        event.preventDefault();
        reject(unsupported(event));
      };
      writer.postMessage(message);
    });
  }
}

/** A name that may stand in a file's, and be read again; what is too long of it is left out. */
function encodedName(name: string): string {
  const letters = Array.from(name, (letter) =>
    encodeURIComponent(/\p{Surrogate}/u.test(letter) ? "_" : letter),
  );
  let { length } = letters;
  while (letters.slice(0, length).join("").length > MAX_NAME) length -= 1;
  return letters.slice(0, length).join("");
}

/** TypeScript's library knows no iteration of folders. */
function values(folder: FileSystemDirectoryHandle): AsyncIterable<FileSystemHandle> {
  return (folder as unknown as { values(): AsyncIterable<FileSystemHandle> }).values();
}

function unsupported(cause: unknown): UploadError {
  const message = "no private file system to keep the stream in";
  return new UploadError({ code: "unsupported", message, retryable: false }, { cause });
}

function noRoom(cause: unknown): UploadError {
  const message = "no room to keep the stream in: the browser's quota is used up";
  return new UploadError({ code: "file_unreadable", message, retryable: false }, { cause });
}
