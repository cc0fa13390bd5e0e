/** One file's way to storage by a plan that may still grow: what its base has is copied, meanwhile the rest is sent. */
import { bodySource } from "../body-source.js";
import type { CoordinatorClient } from "../coordinator-client.js";
import { UploadError } from "../errors.js";
import { idempotencyKey } from "../idempotency-key.js";
import { linkedController } from "../linked-controller.js";
import { isGone, MultipartUpload, type NewUpload } from "../multipart-upload.js";
import { PartSender, type Sending } from "../part-sender.js";
import { Patience } from "../patience.js";
import { abortUpload } from "../signed-parts.js";
import type { FileRecord, UploaderOptions } from "../types.js";
import type { DeltaParts } from "./delta-parts.js";
import type { GrowingPlan } from "./growing-plan.js";
import { copyParts } from "./part-copies.js";
import { SegmentParts, checkReadable } from "./segment-parts.js";

/** Most parts that are sent at a time, and most bytes of them where they are in memory, but for one part. Source: own choice. */
const MAX_LANES = 6;
const MAX_MEMORY = 48 * 1024 * 1024;

/** How often an upload that is gone is begun anew. Source: own choice. */
const MAX_BEGINNINGS = 3;

/** What a transfer works with. */
export interface Transfer extends Required<Pick<Sending, "attempt">> {
  client: CoordinatorClient;
  options: UploaderOptions;
  file: Blob;
  description: NewUpload;
  plan: GrowingPlan;
  /** Bytes of the longest part that has to travel. */
  longestPart: number;
  /** Hears where the parts stand. */
  parts: DeltaParts;
  signal: AbortSignal;
  /** Storage has so many bytes of the file, and of these so many by copying. */
  onProgress: (loaded: number, copied: number) => void;
  onCompleting: () => void;
}

/**
 * Gives the file's record; `undefined` where the coordinator begins no such upload. It is completed once the file has been read
 * to its end. Where it rejects, what storage holds of it is freed, if the coordinator can be reached.
 */
export async function transfer(work: Transfer): Promise<FileRecord | undefined> {
  for (let beginning = 1; ; beginning++) {
    const upload = await begin(work);
    if (!upload) return undefined;
    try {
      return await sendAndCopy(work, upload);
    } catch (error) {
      if (isGone(error) && beginning < MAX_BEGINNINGS && !work.signal.aborted) continue;
      await abortUpload(work.client, upload.uploadId).catch(() => {});
      throw error;
    }
  }
}

/** Without the signal: an upload that was begun without our learning its id could not be given up. */
async function begin({
  client,
  options,
  description,
  attempt,
  signal,
}: Transfer): Promise<MultipartUpload | undefined> {
  const key = idempotencyKey();
  const patience = new Patience(options.retry, signal);
  try {
    const { upload } = await patience.outlast(() =>
      attempt(() => MultipartUpload.begin(client, { ...description, layout: "free" }, key), signal),
    );
    return upload;
  } catch (error) {
    if (error instanceof UploadError && error.code === "invalid_request") return undefined;
    throw error;
  }
}

async function sendAndCopy(work: Transfer, upload: MultipartUpload): Promise<FileRecord> {
  const { options, file, plan, parts, attempt, onProgress } = work;
  const { retry } = options;
  const isInMemory = (options.bodies ?? bodySource()) === "memory";
  const stop = linkedController(work.signal);
  const { signal } = stop;
  const lanes = lanesFor(work, isInMemory);
  parts.begin(plan.segments);
  let copied = 0;
  const sender = new PartSender(upload, {
    source: new SegmentParts(file, plan, isInMemory),
    lanes,
    retry,
    signal,
    attempt,
    onSent: (loaded) => onProgress(loaded, copied),
    observer: parts,
  });
  const onCopied = (bytes: number) => void (copied += bytes);
  const sending = sender.sendAll((signal) => plan.partsToSend(signal));
  const copying = copyParts({ upload, plan, retry, attempt, signal, onCopied, observer: parts }, sender);
  try {
    await Promise.all([sending, copying]);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled([sending, copying]);
    // The worker that reads does not know why it cannot.
    if (error instanceof UploadError && error.code === "file_unreadable") await checkReadable(file);
    throw error;
  }
  const refused = await copying;
  // What was to be copied is longer than what was to be sent.
  await sender.sendAll(() => refused.values(), isInMemory ? 1 : lanes);
  work.onCompleting();
  return await sender.complete();
}

function lanesFor({ options, longestPart }: Transfer, isInMemory: boolean): number {
  const { concurrency } = options;
  const wanted = typeof concurrency === "number" ? Math.min(concurrency, MAX_LANES) : MAX_LANES;
  if (!isInMemory) return wanted;
  return Math.max(1, Math.min(wanted, Math.floor(MAX_MEMORY / longestPart)));
}
