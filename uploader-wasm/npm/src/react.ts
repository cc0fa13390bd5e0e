/**
 * `@syncsphere/uploader/react`: an `Uploader` in React 18 and later. Make the uploader once, outside components or in
 * a context; rendering on a server starts nothing.
 */
import { useEffect, useState, useSyncExternalStore } from "react";

import type { FolderUpload, UploadError, UploadTask, Uploader } from "./index.js";
import type {
  Change,
  FileRecord,
  Progress,
  TaskState,
  Uploadable,
  UploadAllOptions,
  UploadOptions,
} from "./types.js";

/** An upload as a component shows it: another object whenever anything has changed. */
export interface ShownUpload {
  /** Tells the upload from others, for `key`. */
  id: number;
  /** To pause, resume or abort it. */
  task: UploadTask;
  name: string;
  state: TaskState;
  progress: Progress;
  /** Once `available`. */
  file?: FileRecord;
  /** Once `failed` or `aborted`. */
  error?: UploadError;
}

/** What `useUpload` gives. The functions stay the same as long as the uploader does. */
export interface UseUpload {
  /** What was started by this hook, oldest first, until it is `forget`ted. */
  uploads: readonly ShownUpload[];
  /** All uploads of the `Uploader` together, those of other components too. */
  progress: Progress;
  /** Starts an upload, as `Uploader.upload`. */
  upload(file: Uploadable, options?: UploadOptions): UploadTask;
  /** Starts an upload for each file, as `Uploader.uploadAll`. */
  uploadAll(files: Iterable<Uploadable> | ArrayLike<Uploadable>, options?: UploadAllOptions): UploadTask[];
  /** Uploads what was dropped, or all of a folder, as `Uploader.uploadAll`; each is shown as it is found. */
  uploadAll(source: DataTransfer | FileSystemDirectoryHandle, options?: UploadAllOptions): FolderUpload;
  /** Shows one that `Uploader.continue` gave. */
  show(task: UploadTask): UploadTask;
  /** Shows an upload no longer; it goes on, if it has not ended. Without a task: all that have ended. */
  forget(task?: UploadTask): void;
}

/** Starts uploads and shows them. They belong to the uploader: they go on when the component goes away. */
export function useUpload(uploader: Uploader): UseUpload {
  let [store, setStore] = useState(() => new UploadStore(uploader));
  if (store.uploader !== uploader) {
    store = new UploadStore(uploader);
    setStore(store);
  }
  const shown = useSyncExternalStore(store.subscribe, store.shown, nothingShown);
  const { upload, uploadAll, show, forget } = store;
  return { ...shown, upload, uploadAll, show, forget };
}

/** Options of `useChanges`. */
export interface UseChangesOptions {
  /** Sequence number of the last change known, when the component appears. Default: only changes from then on. */
  since?: number;
}

/** What `useChanges` gives. */
export interface UseChanges {
  /** Whether there is a connection; without one, changes come late, not never. */
  live: boolean;
  /** Why no more changes come: the page gives no token, or the workers failed. */
  error?: UploadError;
}

/**
 * Follows the workspace's changes while the component is there: `onChange` hears each once and in order, also where
 * React mounts the component twice. Another uploader or `since` begins anew.
 */
export function useChanges(
  uploader: Uploader,
  onChange: (change: Change) => void,
  { since }: UseChangesOptions = {},
): UseChanges {
  let [store, setStore] = useState(() => new ChangeStore(uploader, since));
  if (store.uploader !== uploader || store.since !== since) {
    store = new ChangeStore(uploader, since);
    setStore(store);
  }
  // Runs before the first change can come, for effects run in order and the store begins in one.
  useEffect(() => void (store.onChange = onChange));
  return useSyncExternalStore(store.subscribe, store.shown, notLive);
}

const NOTHING: Pick<UseUpload, "uploads" | "progress"> = {
  uploads: [],
  progress: { loaded: 0, total: 0, rate: 0, etaSeconds: null },
};
const nothingShown = () => NOTHING;

const NOT_LIVE: UseChanges = { live: false };
const notLive = () => NOT_LIVE;

/** Whom a store tells, and what it does while there is somebody. */
abstract class Store {
  #listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    if (this.#listeners.size === 0) this.begin();
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.end();
    };
  };

  protected tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  protected abstract begin(): void;
  protected abstract end(): void;
}

class UploadStore extends Store {
  readonly uploader: Uploader;
  #shown = NOTHING;
  #ids = 0;

  constructor(uploader: Uploader) {
    super();
    this.uploader = uploader;
    this.#shown = { ...NOTHING, progress: uploader.progress };
  }

  readonly shown = () => this.#shown;

  readonly upload = (file: Uploadable, options?: UploadOptions) =>
    this.show(this.uploader.upload(file, options));

  readonly uploadAll = ((source: FileList, options?: UploadAllOptions): UploadTask[] | FolderUpload => {
    const found: UploadTask[] | FolderUpload = this.uploader.uploadAll(source, options);
    if (Array.isArray(found)) return found.map(this.show);
    void this.#showAll(found);
    return found;
  }) as UseUpload["uploadAll"];

  readonly show = (task: UploadTask): UploadTask => {
    const { name, state, progress } = task;
    this.#set({ uploads: [...this.#shown.uploads, { id: ++this.#ids, task, name, state, progress }] });
    const update = () => this.#update(task, {});
    task.addEventListener("progress", update);
    task.addEventListener("statechange", update);
    task.done.then(
      (file) => this.#update(task, { file }),
      (error: UploadError) => this.#update(task, { error }),
    );
    return task;
  };

  readonly forget = (task?: UploadTask): void => {
    const uploads = this.#shown.uploads.filter((one) =>
      task ? one.task !== task : !(one.file || one.error),
    );
    this.#set({ uploads });
  };

  protected override begin(): void {
    this.uploader.addEventListener("progress", this.#onProgress);
    // What happened while nobody was looking.
    const { progress } = this.uploader;
    const { loaded, total } = this.#shown.progress;
    if (progress.loaded !== loaded || progress.total !== total) this.#shown = { ...this.#shown, progress };
  }

  protected override end(): void {
    this.uploader.removeEventListener("progress", this.#onProgress);
  }

  async #showAll(folder: FolderUpload): Promise<void> {
    try {
      for await (const task of folder) this.show(task);
    } catch {
      // The uploader was closed, which whoever waits for `folder` hears.
    }
  }

  #onProgress = () => this.#set({ progress: this.uploader.progress });

  #update(task: UploadTask, end: Pick<ShownUpload, "file" | "error">): void {
    const { state, progress } = task;
    if (!this.#shown.uploads.some((one) => one.task === task)) return;
    const uploads = this.#shown.uploads.map((one) =>
      one.task === task ? { ...one, state, progress, ...end } : one,
    );
    this.#set({ uploads });
  }

  #set(change: Partial<typeof NOTHING>): void {
    this.#shown = { ...this.#shown, ...change };
    this.tell();
  }
}

class ChangeStore extends Store {
  readonly uploader: Uploader;
  readonly since: number | undefined;
  onChange: (change: Change) => void = () => {};
  /** The last change that was told, from where a second mount goes on. */
  #seq: number | undefined;
  #shown = NOT_LIVE;
  #running: AbortController | undefined;

  constructor(uploader: Uploader, since: number | undefined) {
    super();
    this.uploader = uploader;
    this.since = since;
    this.#seq = since;
  }

  readonly shown = () => this.#shown;

  protected override begin(): void {
    this.#running = new AbortController();
    void this.#follow(this.#running.signal);
  }

  protected override end(): void {
    this.#running?.abort();
    this.#shown = NOT_LIVE;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const onLive = (live: boolean) => this.#set({ live }, signal);
    try {
      for await (const change of this.uploader.changes({ since: this.#seq, signal, onLive })) {
        if (signal.aborted) return;
        this.#seq = change.seq;
        try {
          this.onChange(change);
        } catch (error) {
          reportError(error);
        }
      }
      this.#set(NOT_LIVE, signal);
    } catch (error) {
      this.#set({ live: false, error: error as UploadError }, signal);
    }
  }

  #set(shown: UseChanges, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#shown = shown;
    this.tell();
  }
}
