import { abortedError } from "../coordinator-client.js";
import { UploadError } from "../errors.js";
import { linkedController } from "../linked-controller.js";
import { retryDelay } from "../problem-details.js";
import { TypedEventTarget } from "../typed-event-target.js";
import type { RequestOptions, RetryOptions } from "../types.js";
import { SCRIPTS_FAILED, writingFailure } from "./failures.js";
import type { DownloadSource } from "./source.js";

/** Most ranges under way at a time, and how many where nothing is said. Source: own choice. */
const MAX_CONCURRENCY = 16;
const CONCURRENCY = 4;

/** Options of one download. */
export interface DownloadOptions extends RequestOptions {
  /**
   * The file that is written, of the private file system or picked by the person with the permission to write. Its content is
   * replaced: a picked file's when all is there and proven, a private one's from the beginning.
   * Default: a file of the private file system's folder `syncsphere-uploader-downloads`.
   */
  to?: FileSystemFileHandle;
  /**
   * A file of this machine that has much of the content, such as the version before: only what it lacks is fetched. It is read once, and
   * only where the file's uploader has told its content index (the option `deltas`) and its checksum is known. Not to be the file that `to` names.
   */
  base?: Blob;
  /** Ranges under way at a time, 1 to 16. Default: 4. */
  concurrency?: number;
  /** How long coordinator and storage may be out of reach. */
  retry?: RetryOptions;
  /**
   * Where the script `download-worker.js` is, if not beside this package's others. One of another host is imported by a `blob:`
   * worker, if the page's Content Security Policy lets it.
   */
  workerUrl?: string | URL;
  /** The same of the script `delta-worker.js`, which a download with a `base` needs. */
  deltaWorkerUrl?: string | URL;
}

/** The events of a `FileDownload`. */
export interface FileDownloadEventMap {
  /** So many bytes of the file are there, `copied` of them from `base`. Fewer than before, where some have to be fetched again. */
  progress: CustomEvent<{ loaded: number; total: number; copied: number }>;
}

/** A file that is being downloaded. Made by `Workspace.download`. */
export class FileDownload extends TypedEventTarget<FileDownloadEventMap> {
  /**
   * The file, once all of it is there and its checksum is the record's; rejects with an `UploadError`. It is read from where it was
   * written: keep what `to` names, or the folder, while it is used. Leaving it alone causes no unhandled rejection.
   */
  readonly done: Promise<File>;
  #fileId: string;
  #to: FileSystemFileHandle | undefined;
  #end: AbortController;

  /** @internal */
  constructor(source: DownloadSource, fileId: string, options: DownloadOptions) {
    super();
    const { signal, concurrency = CONCURRENCY } = options;
    if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > MAX_CONCURRENCY)
      throw new TypeError(`concurrency has to be 1 to ${MAX_CONCURRENCY}`);
    this.#fileId = fileId;
    this.#to = options.to;
    this.#end = linkedController(signal);
    this.done = this.#run(source, { ...options, concurrency });
    this.done.catch(() => {});
  }

  /** Ends it. What is there of a private file is kept, and the next download of it goes on from there. Fulfilled at the end, whichever it is. */
  async abort(reason?: unknown): Promise<void> {
    this.#end.abort(reason);
    await this.done.catch(() => {});
  }

  /** Ends it, and removes what is there of a private file, also when it was done. Rejects with `conflict` where another page downloads it. */
  async discard(): Promise<void> {
    await this.abort();
    const { discard } = await loadedScript();
    await discard(this.#fileId, this.#to);
  }

  async #run(source: DownloadSource, options: DownloadOptions & { concurrency: number }): Promise<File> {
    const { signal } = this.#end;
    const { to, base, concurrency, retry, workerUrl, deltaWorkerUrl } = options;
    const onProgress = (loaded: number, total: number, copied: number) =>
      void this.dispatchEvent(new CustomEvent("progress", { detail: { loaded, total, copied } }));
    try {
      const { download } = await loadedScript();
      const fileId = this.#fileId;
      const settings = { to, base, concurrency, retry, retryDelay, workerUrl, deltaWorkerUrl };
      return await download({ source, fileId, ...settings, signal, onProgress });
    } catch (error) {
      if (signal.aborted) throw abortedError(signal);
      throw error instanceof UploadError ? error : new UploadError(writingFailure(error), { cause: error });
    }
  }
}

/** Few pages that list files download any by it. */
async function loadedScript() {
  try {
    return await import("./download.js");
  } catch (cause) {
    throw new UploadError(SCRIPTS_FAILED, { cause });
  }
}
