/** The files in which streams are kept until they are uploaded: one folder of the origin's private file system. */
import { CheckpointStore } from "../worker/checkpoint-store.js";
import { FOLDER, isStream, LOCK, SpoolFile, unsupported } from "./spool-file.js";

/** Longest encoded name of a stream in the name of its file. Source: own choice, below the 255 bytes of a file's name. */
const MAX_NAME = 200;

/** The folder. */
export class SpoolFolder {
  #folder: FileSystemDirectoryHandle;

  private constructor(folder: FileSystemDirectoryHandle) {
    this.#folder = folder;
  }

  /** Rejects with `unsupported` where there is no private file system. */
  static async open(): Promise<SpoolFolder> {
    try {
      const root = await navigator.storage.getDirectory();
      return new SpoolFolder(await root.getDirectoryHandle(FOLDER, { create: true }));
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
    return file;
  }

  /** The files that no page is busy with and no unfinished upload is of; empty ones are removed. */
  async abandoned(): Promise<SpoolFile[]> {
    const { held = [] } = await navigator.locks.query();
    const busy = new Set(held.map(({ name }) => name));
    const kept = await new CheckpointStore(() => {}).all();
    const found: SpoolFile[] = [];
    for await (const handle of values(this.#folder)) {
      if (handle.kind !== "file" || !isStream(handle.name) || busy.has(LOCK + handle.name)) continue;
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
