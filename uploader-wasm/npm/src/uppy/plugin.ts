import { BasePlugin } from "@uppy/core";
import type { Body, Meta, PluginOpts, Uppy, UppyFile } from "@uppy/core";

import { Uploader } from "../index.js";
import type { UploadError, UploadTask } from "../index.js";
import type { FileRecord, InterruptedUpload, UploaderOptions } from "../types.js";
import { describeFile, type Description, type DescriptionOptions } from "./file-description.js";

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
 * retried one goes on where it was, and so does one that Golden Retriever has restored. `upload-success` has the file's
 * record as `response.body`, `upload-error` the `UploadError`.
 */
export class SyncSphere<M extends Meta, B extends Body> extends BasePlugin<SyncSphereOptions, M, B> {
  #uploader!: Uploader;
  /** By Uppy's id of the file, as long as it is Uppy's. */
  #runs = new Map<string, Run>();
  /** What is kept of uploads that failed, by Uppy's id of the file. */
  #kept = new Map<string, { uploadId: string; description: string }>();
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
    for (const id of [...this.#runs.keys()]) this.#abort(id);
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
    const isAnyRestored = files.some(({ isRestored }) => isRestored);
    // Without it, they begin anew.
    const interrupted = isAnyRestored ? await this.#uploader.interrupted().catch(() => []) : [];
    await Promise.all(files.map((file) => this.#uploadFile(file, interrupted)));
  };

  async #uploadFile(file: UppyFile<M, B>, interrupted: InterruptedUpload[]): Promise<void> {
    const { id } = file;
    const run: Run = {};
    // A file that was removed may have been added again, under the same id.
    const isOurs = () => this.#runs.get(id) === run;
    this.#runs.set(id, run);
    let description: Description | undefined;
    try {
      description = describeFile(file, this.opts);
      const record = await this.#send(file, description, run, this.#takeKept(file, description, interrupted));
      if (!record || !isOurs()) return;
      this.uppy.emit("upload-success", this.uppy.getFile(id), {
        status: 200,
        body: record as unknown as B,
        bytesUploaded: record.size,
        uploadURL: this.#uploadUrl(record),
      });
    } catch (error) {
      if (!isOurs()) return;
      const { uploadId } = error as Partial<UploadError>;
      if (uploadId) this.#kept.set(id, { uploadId, description: JSON.stringify(description) });
      this.uppy.emit("upload-error", this.uppy.getFile(id), error as Error);
    } finally {
      if (isOurs()) this.#runs.delete(id);
    }
  }

  /** The upload that a file may go on with. Another name or other metadata want another upload. */
  #takeKept(
    file: UppyFile<M, B>,
    description: Description,
    interrupted: InterruptedUpload[],
  ): string | undefined {
    const kept = this.#kept.get(file.id);
    this.#kept.delete(file.id);
    if (kept?.description === JSON.stringify(description)) return kept.uploadId;
    if (kept) this.#discard(kept.uploadId);
    const isIt = ({ name, size }: InterruptedUpload) => name === description.name && size === file.size;
    const place = file.isRestored ? interrupted.findIndex(isIt) : -1;
    return place < 0 ? undefined : interrupted.splice(place, 1)[0]?.uploadId;
  }

  /** Uploads a file, from where it was, if it can go on there. `undefined` where it was removed meanwhile. */
  async #send(
    file: UppyFile<M, B>,
    description: Description,
    run: Run,
    kept: string | undefined,
  ): Promise<FileRecord | undefined> {
    const { id } = file;
    const task = await this.#start(file, description, kept);
    run.task = task;
    if (this.#runs.get(id) !== run) {
      this.#end(task);
      return undefined;
    }
    task.addEventListener("progress", ({ detail: { loaded, total } }) => {
      if (this.#runs.get(id) === run) this.#reportProgress(id, loaded, total);
    });
    if (this.uppy.getFile(id)?.isPaused) task.pause();
    try {
      return await task.done;
    } catch (error) {
      // What was kept is another file's of that name and size.
      if (!kept || (error as UploadError).code !== "file_changed") throw error;
      return await this.#send(file, description, run, undefined);
    }
  }

  async #start(
    file: UppyFile<M, B>,
    { name, path, metadata }: Description,
    kept: string | undefined,
  ): Promise<UploadTask> {
    if (file.isRemote) throw new Error("files of remote providers need an uploader of Uppy's own");
    if (!file.data) throw new Error("the file is not there any more: it has to be chosen again");
    try {
      if (kept) return await this.#uploader.continue(kept, file.data);
    } catch (error) {
      // Another tab goes on with it, or it is gone.
      if ((error as UploadError).code !== "not_interrupted") throw error;
    }
    // Where it is the file's own, an interrupted upload takes it from the file again.
    const isOwn = "name" in file.data && file.data.name === name;
    // Uppy says this of what it does not know; the coordinator knows more.
    const contentType = file.type === "application/octet-stream" ? undefined : file.type;
    return this.#uploader.upload(file.data, { name: isOwn ? undefined : name, path, metadata, contentType });
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
    const task = file && this.#runs.get(file.id)?.task;
    if (isPaused) task?.pause();
    else task?.resume();
  };

  #pauseAll = (): void => {
    for (const { task } of this.#runs.values()) task?.pause();
  };

  #resumeAll = (): void => {
    for (const { task } of this.#runs.values()) task?.resume();
  };

  #remove = (file: UppyFile<M, B>): void => {
    this.#abort(file.id);
    const kept = this.#kept.get(file.id);
    this.#kept.delete(file.id);
    if (kept) this.#discard(kept.uploadId);
  };

  #abort(id: string): void {
    const task = this.#runs.get(id)?.task;
    this.#runs.delete(id);
    if (task) this.#end(task);
  }

  #end(task: UploadTask): void {
    this.#wait(task.abort());
  }

  #discard(uploadId: string): void {
    this.#wait(this.#uploader.discard(uploadId).catch(() => {})); // another tab has it
  }

  /** An uploader of ours is not closed before. */
  #wait(end: Promise<void>): void {
    const left = end.finally(() => this.#aborting.delete(left));
    this.#aborting.add(left);
  }
}

/** One try to upload a file of Uppy's. */
interface Run {
  /** Once it has begun. */
  task?: UploadTask;
}

declare module "@uppy/core" {
  export interface PluginTypeRegistry<M extends Meta, B extends Body> {
    SyncSphere: SyncSphere<M, B>;
  }
}
