/** Where a download goes: a private file, or one that the person has picked. */
import { UploadError } from "../errors.js";
import { privateFile, removePrivateFile, type PrivatePath } from "../private-file.js";
import type { FileRecord } from "../types.js";
import { acquireLock } from "../web-lock.js";
import { BUSY, NO_PLACE } from "./failures.js";
import type { PostedPlace } from "./messages.js";
import { parseNote, writtenNote, type DownloadNote } from "./note.js";
import type { Writer } from "./writer.js";

/** Of the origin's private file system: what no handle was given for, and all notes. */
const FOLDER = "syncsphere-uploader-downloads";

/** Of the lock that marks a place as somebody's. */
const LOCK = "syncsphere-download:";

/** One place. */
export interface Place {
  readonly posted: PostedPlace;
  /** Marks it as this download's. Rejects with `conflict` where it is another's. */
  acquire(): Promise<void>;
  release(): void;
  /** What an earlier page downloaded of the file to it. */
  known(record: FileRecord): Promise<DownloadNote | undefined>;
  /** Writes down what is on the disk by now. */
  keep(note: DownloadNote, record: FileRecord, writer: Writer): Promise<void>;
  /** What is there. */
  file(record: FileRecord): Promise<File>;
  /** Removes what was written, and what is noted of it. */
  remove(): Promise<void>;
}

/** Rejects with `unsupported` where there is neither a handle nor a private file system. */
export async function placeFor(fileId: string, to: FileSystemFileHandle | undefined): Promise<Place> {
  try {
    const root = await navigator.storage.getDirectory();
    const given = to && (await root.resolve(to));
    if (to && !given) return new PickedPlace(to);
    await root.getDirectoryHandle(FOLDER, { create: true });
    return await PrivatePlace.at(given ?? [FOLDER, encodeURIComponent(fileId)], !given);
  } catch (cause) {
    if (to) return new PickedPlace(to);
    throw new UploadError(NO_PLACE, { cause });
  }
}

/** Its note is the place's, not the file's: another file that is downloaded to it replaces the note. */
class PrivatePlace implements Place {
  readonly posted: { path: PrivatePath };
  #notePath: PrivatePath;
  #isOurs: boolean;
  #release = () => {};

  private constructor(path: PrivatePath, isOurs: boolean, key: string) {
    this.posted = { path };
    this.#isOurs = isOurs;
    this.#notePath = [FOLDER, `${key}.json`];
  }

  /** `isOurs`: it has a name that we gave it. */
  static async at(path: PrivatePath, isOurs: boolean): Promise<PrivatePlace> {
    // Paths may be longer than a file's name.
    const text = new TextEncoder().encode(JSON.stringify(path));
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
    const key = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return new PrivatePlace(path, isOurs, key);
  }

  async acquire(): Promise<void> {
    const release = await acquireLock(LOCK + this.posted.path.join("/"));
    if (!release) throw new UploadError(BUSY);
    this.#release = release;
  }

  release(): void {
    this.#release();
  }

  async known(record: FileRecord): Promise<DownloadNote | undefined> {
    try {
      const note = await (await privateFile(this.#notePath)).getFile();
      const { size } = await (await privateFile(this.posted.path)).getFile();
      return size === record.size ? parseNote(await note.text(), record) : undefined;
    } catch {
      return undefined;
    }
  }

  keep(note: DownloadNote, record: FileRecord, writer: Writer): Promise<void> {
    return writer.note(this.#notePath, writtenNote(note, record));
  }

  async file({ name, contentType }: FileRecord): Promise<File> {
    const file = await (await privateFile(this.posted.path)).getFile();
    const { lastModified } = file;
    return this.#isOurs ? new File([file], name, { type: contentType, lastModified }) : file;
  }

  /** The note first: it tells of nothing that is not there. */
  async remove(): Promise<void> {
    await removePrivateFile(this.#notePath);
    await removePrivateFile(this.posted.path);
  }
}

/** What is written of it is lost with its page, and so is nobody's but that page's until it is whole. */
class PickedPlace implements Place {
  readonly posted: { handle: FileSystemFileHandle };

  constructor(handle: FileSystemFileHandle) {
    this.posted = { handle };
  }

  async acquire(): Promise<void> {}

  release(): void {}

  async known(): Promise<undefined> {}

  async keep(): Promise<void> {}

  file(): Promise<File> {
    return this.posted.handle.getFile();
  }

  async remove(): Promise<void> {}
}
