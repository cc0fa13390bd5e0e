/**
 * `@syncsphere/uploader/streams`: uploads what has no size yet, such as a recording, while it goes on, and keeps it in the
 * browser's private file system until it is stored.
 */
import { abortUpload } from "./signed-parts.js";
import { CoordinatorClient } from "./coordinator-client.js";
import { NOT_INTERRUPTED } from "./failures.js";
import { UploadError, type Uploader } from "./index.js";
import type { SpoolFile } from "./streams/spool-file.js";
import { SpoolFolder } from "./streams/spool-folder.js";
import type { StreamSource } from "./streams/stream-source.js";
import { StreamUpload, type StreamOptions } from "./streams/stream-upload.js";

export type { StreamSource } from "./streams/stream-source.js";
export { StreamUpload, type StreamOptions, type StreamUploadEventMap } from "./streams/stream-upload.js";

/** A stream that an earlier page kept and did not upload to its end. */
export interface InterruptedStream {
  name: string;
  /** Bytes that were kept. */
  size: number;
  /**
   * Uploads what was kept. An upload that was begun is gone on with, as it was described then; storage is sent what it
   * lacks. Rejects with `not_interrupted` where another page does that.
   */
  upload(uploader: Uploader, options?: Partial<StreamOptions>): Promise<StreamUpload>;
  /** Removes it, and gives up its upload, if it is one of this uploader's coordinator: else that expires. */
  discard(uploader?: Uploader): Promise<void>;
}

/**
 * Keeps a stream in the browser's private file system as it comes, at least once a second, and sends each part of it once it
 * is full: `UploaderOptions.partSize`, or 5 MiB, of which there may be 10,000. At its end little is left to be sent. Where
 * it is shorter than a part, or has too many, it goes as a whole file when it has ended.
 * A page that crashes meanwhile loses what came since it was last written: `interruptedStreams` has the rest.
 *
 * The uploader's `retry` says how long storage and coordinator may be out of reach; `maxRate` and `concurrency` count for
 * nothing here, and `Uploader.close` does not end it. `done` rejects with `unsupported` where the browser has no such file
 * system, and with `file_unreadable` where there is no room in it or the stream fails. Where it rejects, but by `abort()`, what was kept
 * is in `interruptedStreams`.
 */
export function uploadStream(uploader: Uploader, source: StreamSource, options: StreamOptions): StreamUpload {
  const spool = async () => (await SpoolFolder.open()).create(options.name);
  return new StreamUpload(uploader, options, spool, source);
}

/** What earlier pages kept of streams and no page is busy with. What has begun to go as a whole file is in `Uploader.interrupted`. */
export async function interruptedStreams(): Promise<InterruptedStream[]> {
  const folder = await SpoolFolder.open();
  const files = await folder.abandoned();
  return Promise.all(files.map(interruptedStream));
}

async function interruptedStream(file: SpoolFile): Promise<InterruptedStream> {
  const { upload: begun, ...description } = (await file.note()) ?? { name: file.name };
  return {
    name: description.name,
    size: file.size,
    async upload(uploader, options) {
      if (!(await file.acquire())) throw new UploadError(NOT_INTERRUPTED);
      return new StreamUpload(uploader, { ...description, ...options }, async () => file);
    },
    async discard(uploader) {
      if (uploader && uploader.endpoint === begun?.endpoint)
        await abortUpload(new CoordinatorClient(uploader.options), begun.uploadId).catch(() => {});
      await file.remove();
    },
  };
}
