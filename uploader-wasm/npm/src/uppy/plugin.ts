import { BasePlugin } from "@uppy/core";
import type { Body, Meta, PluginOpts, Uppy, UppyFile } from "@uppy/core";

import { Uploader } from "../index.js";
import type { UploadTask } from "../index.js";
import type { FileRecord, UploaderOptions } from "../types.js";
import { describeFile, type DescriptionOptions } from "./file-description.js";

/** Options of the plugin: an `Uploader` that the page has, or the options of one that the plugin is to make. */
export type SyncSphereOptions = PluginOpts &
  DescriptionOptions & {
    /**
     * The file's `uploadURL` in Uppy. Default: its content at the coordinator, which wants a token; give the address of
     * a page of yours where people are to follow it.
     */
    uploadURL?: (file: FileRecord) => string;
  } & ({ uploader: Uploader } | (UploaderOptions & { uploader?: undefined }));

/**
 * Uploads Uppy's files through an `Uploader`, in place of Uppy's own uploaders: `uppy.use(SyncSphere, { endpoint, token })`.
 *
 * Each file is one `UploadTask`. Uppy's pause, resume, cancel and retry work on it; a cancelled file is freed in storage, a
 * retried one begins anew. `upload-success` has the file's record as `response.body`, `upload-error` the `UploadError`.
 */
export class SyncSphere<M extends Meta, B extends Body> extends BasePlugin<SyncSphereOptions, M, B> {
  #uploader!: Uploader;
  /** By Uppy's id of the file, as long as it is Uppy's. */
  #tasks = new Map<string, UploadTask>();
  /** Of files that Uppy no longer has. */
  #aborting = new Set<Promise<void>>();

  constructor(uppy: Uppy<M, B>, options: SyncSphereOptions) {
    super(uppy, options);
    this.type = "uploader";
    this.id = options.id ?? "SyncSphere";
  }

  override install(): void {
    this.#uploader = this.opts.uploader ?? new Uploader(this.opts as UploaderOptions);
    this.#setResumable(true);
    this.uppy.addUploader(this.#upload);
    this.uppy.on("upload-pause", this.#pauseOrResume);
    this.uppy.on("pause-all", this.#pauseAll);
    this.uppy.on("resume-all", this.#resumeAll);
    // Cancelling all files removes each of them.
    this.uppy.on("file-removed", this.#remove);
  }

  override uninstall(): void {
    this.uppy.removeUploader(this.#upload);
    this.uppy.off("upload-pause", this.#pauseOrResume);
    this.uppy.off("pause-all", this.#pauseAll);
    this.uppy.off("resume-all", this.#resumeAll);
    this.uppy.off("file-removed", this.#remove);
    this.#setResumable(false);
    for (const id of [...this.#tasks.keys()]) this.#abort(id);
    if (!this.opts.uploader) {
      const uploader = this.#uploader;
      void Promise.all(this.#aborting).then(() => uploader.close());
    }
  }

  #setResumable(resumableUploads: boolean): void {
    const { capabilities } = this.uppy.getState();
    this.uppy.setState({ capabilities: { ...capabilities, resumableUploads } });
  }

  #upload = async (ids: string[]): Promise<void> => {
    const files = this.uppy.getFilesByIds(ids).filter((file) => !file.error && !file.progress.uploadComplete);
    // Files that Golden Retriever has restored were announced by an earlier page.
    const unannounced = files.filter((file) => !file.isRestored || !file.progress.uploadStarted);
    this.uppy.emit("upload-start", unannounced);
    await Promise.all(files.map((file) => this.#uploadFile(file)));
  };

  async #uploadFile(file: UppyFile<M, B>): Promise<void> {
    const { id } = file;
    let task: UploadTask | undefined;
    // A file that was removed may have been added again, under the same id.
    const isOurs = () => this.#tasks.get(id) === task;
    try {
      task = this.#start(file);
      this.#tasks.set(id, task);
      task.addEventListener("progress", ({ detail: { loaded, total } }) => {
        if (isOurs()) this.#reportProgress(id, loaded, total);
      });
      if (file.isPaused) task.pause();
      const record = await task.done;
      if (!isOurs()) return;
      this.uppy.emit("upload-success", this.uppy.getFile(id), {
        status: 200,
        body: record as unknown as B,
        bytesUploaded: record.size,
        uploadURL: this.#uploadUrl(record),
      });
    } catch (error) {
      if (isOurs()) this.uppy.emit("upload-error", this.uppy.getFile(id), error as Error);
    } finally {
      if (isOurs()) this.#tasks.delete(id);
    }
  }

  #start(file: UppyFile<M, B>): UploadTask {
    if (file.isRemote) throw new Error("files of remote providers need an uploader of Uppy's own");
    if (!file.data) throw new Error("the file is not there any more: it has to be chosen again");
    const { name, path, metadata } = describeFile(file, this.opts);
    // Where it is the file's own, an interrupted upload takes it from the file again.
    const isOwn = "name" in file.data && file.data.name === name;
    return this.#uploader.upload(file.data, { name: isOwn ? undefined : name, path, metadata });
  }

  #reportProgress(id: string, bytesUploaded: number, bytesTotal: number): void {
    const file: UppyFile<M, B> | undefined = this.uppy.getFile(id);
    // `Uppy.clear` removes files without a word.
    if (!file) return this.#abort(id);
    const uploadStarted = file.progress.uploadStarted ?? Date.now();
    this.uppy.emit("upload-progress", file, { uploadStarted, bytesUploaded, bytesTotal });
  }

  #uploadUrl(record: FileRecord): string {
    const { uploadURL } = this.opts;
    return uploadURL ? uploadURL(record) : `${this.#uploader.endpoint}/v1/files/${record.fileId}/content`;
  }

  #pauseOrResume = (file: UppyFile<M, B> | undefined, isPaused: boolean): void => {
    const task = file && this.#tasks.get(file.id);
    if (isPaused) task?.pause();
    else task?.resume();
  };

  #pauseAll = (): void => {
    for (const task of this.#tasks.values()) task.pause();
  };

  #resumeAll = (): void => {
    for (const task of this.#tasks.values()) task.resume();
  };

  #remove = (file: UppyFile<M, B>): void => this.#abort(file.id);

  #abort(id: string): void {
    const task = this.#tasks.get(id);
    if (!task) return;
    this.#tasks.delete(id);
    const left = task.abort().finally(() => this.#aborting.delete(left));
    this.#aborting.add(left);
  }
}

declare module "@uppy/core" {
  export interface PluginTypeRegistry<M extends Meta, B extends Body> {
    SyncSphere: SyncSphere<M, B>;
  }
}
