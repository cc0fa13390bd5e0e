/** What `Workspace.download` loads on use: from the record to the file that is proven. */
import { UploadError } from "../errors.js";
import { Patience } from "../patience.js";
import type { FileRecord, RetryOptions } from "../types.js";
import { ContentLinks } from "./content-links.js";
import { writingFailure, WRONG_CHECKSUM } from "./failures.js";
import type { DownloadNote } from "./note.js";
import { LocalContent } from "./local-content.js";
import { placeFor, type Place } from "./place.js";
import { Ranges } from "./ranges.js";
import type { DownloadSource } from "./source.js";
import { Transfer } from "./transfer.js";
import { Writer } from "./writer.js";

/** One download. */
export interface DownloadRequest {
  source: DownloadSource;
  fileId: string;
  to: FileSystemFileHandle | undefined;
  base: Blob | undefined;
  concurrency: number;
  retry: RetryOptions | undefined;
  workerUrl: string | URL | undefined;
  deltaWorkerUrl: string | URL | undefined;
  /** How long the coordinator wants to be left alone after an error, as the script of `source` has it. */
  retryDelay: (error: UploadError) => number | undefined;
  signal: AbortSignal;
  onProgress: (loaded: number, total: number, copied: number) => void;
}

/** Gives the file once all of it is there and proven. Rejects with an `UploadError`, or the signal's reason. */
export async function download(request: DownloadRequest): Promise<File> {
  const { source, fileId, to, retry, retryDelay, signal } = request;
  const patience = new Patience(retry, signal, retryDelay);
  const record = await patience.outlast(() => source.file(fileId, { signal }));
  const links = new ContentLinks(source, fileId, signal);
  // Tells of files that are not available.
  await patience.outlast(() => links.get());
  const place = await placeFor(fileId, to);
  await place.acquire();
  try {
    await fill(place, record, links, request);
    return await place.file(record);
  } catch (error) {
    // What stays of it is known to be wrong by the next download.
    if (isWrong(error)) await place.remove().catch(() => {});
    throw error;
  } finally {
    place.release();
  }
}

/** Removes what is there of a file. Rejects with `conflict` while it is being downloaded. */
export async function discard(fileId: string, to: FileSystemFileHandle | undefined): Promise<void> {
  const place = await placeFor(fileId, to);
  await place.acquire();
  try {
    await place.remove();
  } catch (cause) {
    throw new UploadError(writingFailure(cause), { cause });
  } finally {
    place.release();
  }
}

/** Goes on with what is known and on this machine; where that makes another content than the record's, all is fetched. */
async function fill(
  place: Place,
  record: FileRecord,
  links: ContentLinks,
  request: DownloadRequest,
): Promise<void> {
  const known = await place.known(record);
  try {
    await complete(place, record, known, links, request);
  } catch (error) {
    if ((!known && !request.base) || !isWrong(error)) throw error;
    await complete(place, record, undefined, links, { ...request, base: undefined });
  }
}

async function complete(
  place: Place,
  record: FileRecord,
  known: DownloadNote | undefined,
  links: ContentLinks,
  request: DownloadRequest,
): Promise<void> {
  const { concurrency, retry, retryDelay, workerUrl, signal, onProgress } = request;
  const ranges = new Ranges(record.size, known?.checksums);
  if (known && ranges.missing.length === 0) {
    onProgress(record.size, record.size, 0);
    return prove(ranges, record);
  }
  const local = await localContent(record, request);
  let copied = 0;
  const writer = await Writer.open(workerUrl, place.posted, record.size);
  let isProven = false;
  try {
    const keep = (storageEtag: string | undefined) =>
      place.keep({ storageEtag, checksums: ranges.checksums }, record, writer);
    // Nothing is written while a note tells of other bytes.
    await keep(known?.storageEtag);
    await new Transfer({
      ranges,
      writer,
      links,
      local,
      concurrency,
      patience: (end) => new Patience(retry, end, retryDelay),
      signal,
      etag: known?.storageEtag,
      onProgress: (loaded) => onProgress(loaded, record.size, copied),
      onCopied: (bytes) => (copied += bytes),
      onFinished: keep,
    }).run();
    prove(ranges, record);
    isProven = true;
  } finally {
    const closed = writer.close(isProven);
    await (isProven ? closed : closed.catch(() => {}));
  }
}

/** What of the file is on this machine, where that can be told and will be proven. */
async function localContent(
  { fileId, checksum }: FileRecord,
  { base, source, signal, deltaWorkerUrl }: DownloadRequest,
): Promise<LocalContent | undefined> {
  if (!base || checksum.crc64nvme === undefined) return undefined;
  try {
    const chunks = await source.chunks(fileId, { signal });
    return await LocalContent.compare(base, chunks, { deltaWorkerUrl, signal });
  } catch {
    // All is fetched then.
    signal.throwIfAborted();
    return undefined;
  }
}

/** Where storage proves no CRC64NVME, there is none to compare with. */
function prove(ranges: Ranges, { checksum }: FileRecord): void {
  const { crc64nvme } = checksum;
  if (crc64nvme !== undefined && crc64nvme !== ranges.checksum) throw new UploadError(WRONG_CHECKSUM);
}

/** Whether what was written is not the file. */
function isWrong(error: unknown): boolean {
  return (
    error instanceof UploadError && (error.code === "file_changed" || error.code === "checksum_mismatch")
  );
}
