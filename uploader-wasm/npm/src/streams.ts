/** `@syncsphere/uploader/streams`: uploads what has no size yet, such as a recording, by way of the browser's private file system. */
import { NOT_INTERRUPTED } from "./failures.js";
import { UploadError, type Uploader } from "./index.js";
import { SpoolFolder, type SpoolFile } from "./streams/spool-folder.js";
import { chunksOf } from "./streams/chunks.js";
import type { StreamSource } from "./streams/stream-source.js";
import { TypedEventTarget } from "./typed-event-target.js";
import type { FileRecord, UploadOptions, UploadTask } from "./index.js";

export type { StreamSource } from "./streams/stream-source.js";

/** Options of one stream's upload. */
export interface StreamOptions extends Omit<UploadOptions, "name"> {
  /** Name of the file. */
  name: string;
  /**
   * Where the script `spool.js` is, if not beside this package's others. It has to be of the page's own origin.
   */
  spoolUrl?: string | URL;
}

/** The events of a `StreamUpload`. */
export interface StreamUploadEventMap {
  /** Bytes have been written to the private file system. */
  spooled: CustomEvent<{ bytes: number }>;
  /** The stream has ended, and its upload begins. */
  uploadstart: CustomEvent<UploadTask>;
}

/** A stream that is being kept, and uploaded once it has ended. */
export class StreamUpload extends TypedEventTarget<StreamUploadEventMap> {
  /** The record of the file once it is available; rejects with an `UploadError`. */
  readonly done: Promise<FileRecord>;
  #bytes = 0;
  #task: UploadTask | undefined;
  #end = new AbortController();

  /** @internal */
  constructor(uploader: Uploader, source: StreamSource, options: StreamOptions) {
    super();
    const { signal } = options;
    if (signal?.aborted) this.#end.abort(signal.reason);
    signal?.addEventListener("abort", () => this.#end.abort(signal.reason));
    this.done = this.#run(uploader, source, options);
    // Whoever does not ask for it is told by nobody else.
    this.done.catch(() => {});
  }

  /** Bytes of the stream that have been kept so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The upload, once the stream has ended. */
  get task(): UploadTask | undefined {
    return this.#task;
  }

  /** Ends the stream, or its upload, and removes what was kept of it. Fulfilled at the end, whichever it is. */
  async abort(reason?: unknown): Promise<void> {
    this.#end.abort(reason);
    await this.#task?.abort(reason);
    await this.done.catch(() => {});
  }

  async #run(uploader: Uploader, source: StreamSource, options: StreamOptions): Promise<FileRecord> {
    const { signal } = this.#end;
    const folder = await SpoolFolder.open(options.spoolUrl);
    const file = await folder.create(options.name);
    try {
      await this.#keep(source, file, signal);
    } catch (error) {
      if (signal.aborted) await file.remove();
      // What has been kept can still be uploaded: it is among the interrupted ones.
      else file.release();
      throw signal.aborted ? abortedError(signal) : error;
    }
    return this.#upload(uploader, file, options);
  }

  async #keep(source: StreamSource, file: SpoolFile, signal: AbortSignal): Promise<void> {
    try {
      for await (const chunk of chunksOf(source, signal)) {
        this.#bytes = await file.write(chunk);
        this.dispatchEvent(new CustomEvent("spooled", { detail: { bytes: this.#bytes } }));
      }
    } finally {
      await file.close();
    }
    signal.throwIfAborted();
  }

  async #upload(uploader: Uploader, file: SpoolFile, options: StreamOptions): Promise<FileRecord> {
    const { spoolUrl: _, ...upload } = options;
    const task = uploader.upload(file.handle, { ...upload, signal: this.#end.signal });
    this.#task = task;
    this.dispatchEvent(new CustomEvent("uploadstart", { detail: task }));
    try {
      const record = await task.done;
      await file.remove();
      return record;
    } catch (error) {
      if ((error as UploadError).code === "aborted") await file.remove();
      else file.release();
      throw error;
    }
  }
}

/** A stream that an earlier page kept and did not upload. */
export interface InterruptedStream {
  name: string;
  /** Bytes that were kept. */
  size: number;
  /** Uploads what was kept. Rejects with `not_interrupted` where another page does that. */
  upload(uploader: Uploader, options?: UploadOptions): Promise<UploadTask>;
  /** Removes it. */
  discard(): Promise<void>;
}

/**
 * Keeps a stream in the browser's private file system as it comes, at least once a second, and uploads it when it has ended.
 * A page that crashes meanwhile loses what came since: `interruptedStreams` has the rest.
 *
 * `done` rejects with `unsupported` where the browser has no such file system, and with `file_unreadable` where there is no
 * room in it or the stream fails.
 */
export function uploadStream(uploader: Uploader, source: StreamSource, options: StreamOptions): StreamUpload {
  return new StreamUpload(uploader, source, options);
}

/** What earlier pages kept of streams and no page is busy with. What an upload has begun of is in `Uploader.interrupted`. */
export async function interruptedStreams(): Promise<InterruptedStream[]> {
  const folder = await SpoolFolder.open();
  const files = await folder.abandoned();
  return files.map((file) => ({
    name: file.name,
    size: file.size,
    async upload(uploader, options = {}) {
      if (!(await file.acquire())) throw new UploadError(NOT_INTERRUPTED);
      const task = uploader.upload(file.handle, { name: file.name, ...options });
      task.done.then(
        () => file.remove(),
        () => file.release(),
      );
      return task;
    },
    discard: () => file.remove(),
  }));
}

function abortedError({ reason }: AbortSignal): UploadError {
  const failure = { code: "aborted", message: "the upload was aborted", retryable: false } as const;
  return new UploadError(failure, { cause: reason });
}
