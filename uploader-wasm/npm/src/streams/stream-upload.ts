import { checkChoices } from "../describe-file.js";
import { UploadError } from "../errors.js";
import { invalidRequest } from "../failures.js";
import type { Uploader } from "../index.js";
import { TypedEventTarget } from "../typed-event-target.js";
import type { FileRecord, UploadOptions } from "../types.js";
import type { UploadTask } from "../task.js";
import { chunksOf } from "./chunks.js";
import { Growth } from "../growth.js";
import { linkedController } from "../linked-controller.js";
import { LiveUpload } from "./live-upload.js";
import type { SpoolFile } from "./spool-file.js";
import type { StreamDescription } from "./stream-note.js";
import type { StreamSource } from "./stream-source.js";

/** Options of one stream's upload; `priority` counts only where it goes as a whole file. */
export interface StreamOptions extends Omit<UploadOptions, "name"> {
  /** Name of the file. */
  name: string;
  /**
   * Where the script `spool.js` is, if not beside this package's others. One of another host is imported by a `blob:` worker,
   * if the page's Content Security Policy lets it.
   */
  spoolUrl?: string | URL;
}

/** The events of a `StreamUpload`. */
export interface StreamUploadEventMap {
  /** Bytes have been written to the private file system. */
  spooled: CustomEvent<{ bytes: number }>;
  /** Storage has another part: so many bytes of the stream by now. Fewer than before, where an upload that is gone begins anew. */
  sent: CustomEvent<{ bytes: number }>;
  /** Its upload has failed while it goes on. It is kept to its end, and its upload is tried once more then. */
  uploaderror: CustomEvent<UploadError>;
  /** The stream has ended, and goes as a whole file: it is shorter than a part, or the coordinator takes no streams. */
  uploadstart: CustomEvent<UploadTask>;
}

/** A stream that is being kept, and sent meanwhile. */
export class StreamUpload extends TypedEventTarget<StreamUploadEventMap> {
  /** The record of the file once it is available; rejects with an `UploadError`. */
  readonly done: Promise<FileRecord>;
  #uploader: Uploader;
  #options: StreamOptions;
  #growth = new Growth();
  #sentBytes = 0;
  #task: UploadTask | undefined;
  #end: AbortController;

  /**
   * Of a stream whose file `spool` gives. Without a source the file is all of it.
   * @internal
   */
  constructor(
    uploader: Uploader,
    options: StreamOptions,
    spool: () => Promise<SpoolFile>,
    source?: StreamSource,
  ) {
    super();
    this.#uploader = uploader;
    this.#options = options;
    this.#end = linkedController(options.signal);
    this.done = this.#run(spool, source);
    // Whoever does not ask for it is told by nobody else.
    this.done.catch(() => {});
  }

  /** Bytes of the stream that have been kept so far. */
  get bytes(): number {
    return this.#growth.length;
  }

  /** Bytes of the stream that storage has so far. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** The upload of the whole file, where the stream has ended and goes so. */
  get task(): UploadTask | undefined {
    return this.#task;
  }

  /** Ends the stream and its upload, and removes what was kept and stored of it. Fulfilled at the end, whichever it is. */
  async abort(reason?: unknown): Promise<void> {
    this.#end.abort(reason);
    await this.#task?.abort(reason);
    await this.done.catch(() => {});
  }

  async #run(spool: () => Promise<SpoolFile>, source: StreamSource | undefined): Promise<FileRecord> {
    const description = describe(this.#options);
    const file = await spool();
    const stop = linkedController(this.#end.signal);
    const live = new LiveUpload({
      options: this.#uploader.options,
      spool: file,
      growth: this.#growth,
      description,
      signal: stop.signal,
      onSent: (bytes) => this.#sent(bytes),
    });
    try {
      await file.open(this.#options.spoolUrl);
      if (source) await file.writeNote(description);
      const record = (await this.#keepAndSend(source, file, live, stop)) ?? (await this.#uploadWhole(file));
      await file.remove();
      return record;
    } catch (error) {
      const { signal } = this.#end;
      if (!signal.aborted && (error as UploadError).code !== "aborted") {
        // What has been kept can still be uploaded: it is among the interrupted ones.
        await file.close().catch(() => {});
        file.release();
        throw error;
      }
      await live.discard();
      await file.remove();
      throw signal.aborted ? abortedError(signal) : error;
    }
  }

  /** `undefined` where the stream has been kept and has to go as a whole. */
  async #keepAndSend(
    source: StreamSource | undefined,
    file: SpoolFile,
    live: LiveUpload,
    stop: AbortController,
  ): Promise<FileRecord | undefined> {
    const note = source ? undefined : await file.note();
    this.#growth.reach(file.size);
    const sending = live.run(note?.upload);
    if (!source) this.#growth.end();
    else if (await this.#keepMeanwhile(source, file, sending, stop))
      return live.run((await file.note())?.upload);
    return sending;
  }

  /**
   * Keeps the stream to its end, whatever becomes of its upload: it cannot be asked for again. Tells whether the upload has
   * failed by then.
   */
  async #keepMeanwhile(
    source: StreamSource,
    file: SpoolFile,
    sending: Promise<unknown>,
    stop: AbortController,
  ): Promise<boolean> {
    let hasFailed = false;
    sending.catch((error) => {
      hasFailed = true;
      if (!stop.signal.aborted) this.dispatchEvent(new CustomEvent("uploaderror", { detail: error }));
    });
    try {
      await this.#keep(source, file, stop.signal);
      stop.signal.throwIfAborted();
    } catch (error) {
      stop.abort(error);
      await sending.catch(() => {});
      throw error;
    }
    this.#growth.end();
    return hasFailed;
  }

  async #keep(source: StreamSource, file: SpoolFile, signal: AbortSignal): Promise<void> {
    for await (const chunk of chunksOf(source, signal)) {
      const bytes = await file.write(chunk);
      this.#growth.reach(bytes);
      this.dispatchEvent(new CustomEvent("spooled", { detail: { bytes } }));
    }
  }

  async #uploadWhole(file: SpoolFile): Promise<FileRecord> {
    await file.close();
    const { spoolUrl: _, ...upload } = this.#options;
    const task = this.#uploader.upload(file.handle, { ...upload, signal: this.#end.signal });
    this.#task = task;
    task.addEventListener("progress", ({ detail }) => this.#sent(detail.loaded));
    this.dispatchEvent(new CustomEvent("uploadstart", { detail: task }));
    return task.done;
  }

  #sent(bytes: number): void {
    if (bytes === this.#sentBytes) return;
    this.#sentBytes = bytes;
    this.dispatchEvent(new CustomEvent("sent", { detail: { bytes } }));
  }
}

function describe(options: StreamOptions): StreamDescription {
  try {
    const { path, metadata, chosenType } = checkChoices(options);
    return { name: String(options.name), path, metadata, contentType: chosenType };
  } catch (cause) {
    throw new UploadError(invalidRequest(cause), { cause });
  }
}

function abortedError({ reason }: AbortSignal): UploadError {
  const failure = { code: "aborted", message: "the upload was aborted", retryable: false } as const;
  return new UploadError(failure, { cause: reason });
}
