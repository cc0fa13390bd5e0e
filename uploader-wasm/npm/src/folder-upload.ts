import { isSystemFile, joinPaths } from "./relative-path.js";
import type { UploadTask } from "./task.js";
import type { Uploadable, UploadAllOptions } from "./types.js";

/** Uploads of a folder that are open at a time; the walk waits for one to end. Source: own choice, a batch of ten requests. */
const MAX_OPEN = 1000;

/** Longest time that the walk keeps a page busy, in ms. Source: a frame at 60 Hz has 16. */
const MAX_BUSY = 8;

/** Longest path that is followed, in UTF-16 units: folders may be linked in a circle. Source: `docs/api.md`, `path`. */
const MAX_PATH = 1024;

/**
 * The uploads of all files in folders, each started as its file is found. Iterate over it (`for await`) to have each
 * task at once, or `await` it to have all of them once the last file is found; that rejects where the uploader was closed
 * before. The walk goes on either way, and waits while a thousand of its uploads are open.
 */
export class FolderUpload implements AsyncIterable<UploadTask>, PromiseLike<UploadTask[]> {
  /** Folders that hold no files and no folders, as far as they are found. */
  readonly emptyFolders: string[] = [];
  /** Files and folders that the browser cannot read, as far as they are found. */
  readonly unreadable: string[] = [];
  #tasks: UploadTask[] = [];
  #start: StartUpload;
  #options: UploadAllOptions;
  #all: Promise<UploadTask[]>;
  #ended = false;
  #open = 0;
  #busySince = 0;
  /** Called when a task was started or has ended, or the walk has. */
  #waiting: (() => void)[] = [];

  /** @internal */
  constructor(
    source: DataTransfer | FileSystemDirectoryHandle,
    options: UploadAllOptions,
    start: StartUpload,
  ) {
    this.#options = options;
    this.#start = start;
    // A transfer is empty once its event is over, so it is asked for everything now.
    const items = "getData" in source ? droppedItems(source) : [{ handle: Promise.resolve(source) }];
    this.#all = this.#walkAll(items).finally(() => {
      this.#ended = true;
      this.#wake();
    });
    this.#all.catch(() => {});
  }

  then<A = UploadTask[], B = never>(
    onFulfilled?: ((tasks: UploadTask[]) => A | PromiseLike<A>) | null,
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#all.then(onFulfilled, onRejected);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<UploadTask, void, undefined> {
    for (let next = 0; ;) {
      const task = this.#tasks[next];
      if (task) {
        next += 1;
        yield task;
      } else if (this.#ended) {
        await this.#all;
        return;
      } else {
        await this.#news();
      }
    }
  }

  async #walkAll(items: DroppedItem[]): Promise<UploadTask[]> {
    for (const { handle, entry, file } of items) {
      const found = (await handle) ?? entry;
      if (found && isFolder(found)) await this.#walk(found, found.name);
      else if (found && "getFile" in found) await this.#found(found as FileSystemFileHandle, "");
      else if (file) await this.#found(file, "");
    }
    return this.#tasks;
  }

  async #walk(folder: Folder, path: string): Promise<void> {
    if (path.length > MAX_PATH) return void this.unreadable.push(path);
    const items = itemsOf(folder);
    let isEmpty = true;
    for (;;) {
      let item: FileSystemHandle | FileSystemEntry;
      try {
        const { done, value } = await items.next();
        if (done || this.#options.signal?.aborted) break;
        item = value;
      } catch {
        return void this.unreadable.push(path);
      }
      if (!this.#options.systemFiles && isSystemFile(item.name)) continue;
      isEmpty = false;
      if (isFolder(item)) await this.#walk(item, joinPaths(path, item.name) ?? "");
      else await this.#found(item as FileSystemFileHandle | FileSystemFileEntry, path);
    }
    if (isEmpty && !this.#options.signal?.aborted) this.emptyFolders.push(path);
  }

  async #found(file: File | FileSystemFileHandle | FileSystemFileEntry, path: string): Promise<void> {
    if (this.#options.signal?.aborted) return;
    let content: Uploadable;
    try {
      content =
        "file" in file ? await new Promise<File>((resolve, reject) => file.file(resolve, reject)) : file;
    } catch {
      return void this.unreadable.push(joinPaths(path, file.name) ?? "");
    }
    const task = await this.#start(content, joinPaths(this.#options.path, path));
    if (!task) return;
    this.#tasks.push(task);
    this.#open += 1;
    const ended = () => {
      this.#open -= 1;
      this.#wake();
    };
    task.done.then(ended, ended);
    this.#wake();
    await this.#rest();
  }

  /** Leaves the page time for itself, and the uploads time to end. */
  async #rest(): Promise<void> {
    while (this.#open >= MAX_OPEN) await this.#news();
    if (performance.now() - this.#busySince < MAX_BUSY) return;
    await new Promise((resolve) => setTimeout(resolve));
    this.#busySince = performance.now();
  }

  #news(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Starts the upload of a file that was found, or leaves it out. */
type StartUpload = (
  file: Uploadable,
  path: string | undefined,
) => UploadTask | Promise<UploadTask | undefined>;

type Folder = FileSystemDirectoryHandle | FileSystemDirectoryEntry;

interface DroppedItem {
  /** By one, an interrupted upload goes on without asking for the file. */
  handle?: Promise<FileSystemHandle | null>;
  entry?: FileSystemEntry | null;
  file?: File | null;
}

function droppedItems({ items }: DataTransfer): DroppedItem[] {
  return Array.from(items)
    .filter(({ kind }) => kind === "file")
    .map((item: ItemWithHandle) => ({
      // Refused for what the browser protects, and for files that were never on a disk.
      handle: item.getAsFileSystemHandle?.().catch(() => null),
      entry: item.webkitGetAsEntry?.(),
      file: item.getAsFile(),
    }));
}

/** Not in every browser, and so not in TypeScript's library. */
interface ItemWithHandle extends DataTransferItem {
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
}

function isFolder(item: FileSystemHandle | FileSystemEntry): item is Folder {
  return "kind" in item ? item.kind === "directory" : item.isDirectory;
}

async function* itemsOf(folder: Folder): AsyncGenerator<FileSystemHandle | FileSystemEntry, void> {
  if ("kind" in folder) return yield* folder.values();
  const reader = folder.createReader();
  for (;;) {
    // Gives some at a time, and none at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return;
    yield* some;
  }
}
