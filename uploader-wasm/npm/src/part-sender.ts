/** Sends the parts of one upload, and has it completed. */
import { UploadError } from "./errors.js";
import { linkedController } from "./linked-controller.js";
import type { MultipartUpload, SentPart } from "./multipart-upload.js";
import { Patience, Refusal } from "./patience.js";
import { namedParts } from "./problem-details.js";
import { sendToStorage } from "./storage-request.js";
import type { FileRecord, RetryOptions } from "./types.js";

/** How often storage is mended where it holds something else than was sent. Source: own choice. */
const MAX_MENDINGS = 8;

/** Where the parts of an upload come from. */
export interface PartSource {
  /** The part of this number, once it can be sent; `undefined` where there is none. Without a checksum none is told. */
  part(partNumber: number, signal: AbortSignal): Promise<PartContent | undefined>;
  /** What is told at the end besides the parts, which are told where they have checksums. */
  whole(): Promise<{ size?: number; crc64nvme?: string }>;
  /** Rejects where a part that could not be sent, for this error, is no longer what `part` gave. */
  check?(partNumber: number, error: unknown): Promise<void>;
}

/** A part to send. */
export interface PartContent {
  content: Blob;
  crc64nvme?: string;
}

/** The numbers of parts in the order in which they are to be sent, as they become known. */
export type PartNumbers = (signal: AbortSignal) => Iterator<number, void> | AsyncIterator<number, void>;

/** Hears where each part stands. */
export interface PartObserver {
  /** A request for it begins. */
  onSending(partNumber: number): void;
  onSent(partNumber: number): void;
  /** It failed, and may be sent again. */
  onFailed(partNumber: number): void;
}

/** What a sender works with. */
export interface Sending {
  source: PartSource;
  /** Most parts that are on their way at a time. */
  lanes: number;
  retry: RetryOptions | undefined;
  signal: AbortSignal;
  /** Runs each attempt of a request, which may be made anew. Default: at once. */
  attempt?: <T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal) => Promise<T>;
  /** Storage has so many bytes now. */
  onSent: (bytes: number) => void;
  observer?: PartObserver;
}

/** The parts of one upload. */
export class PartSender {
  #upload: MultipartUpload;
  #sending: Sending;
  #end: AbortController;
  #patience: Patience;
  #stored = new Map<number, SentPart & { size: number }>();

  constructor(upload: MultipartUpload, sending: Sending) {
    this.#upload = upload;
    this.#sending = sending;
    this.#end = linkedController(sending.signal);
    this.#patience = new Patience(sending.retry, this.#end.signal);
  }

  /** Storage has this part already. */
  know(part: SentPart & { size: number }): void {
    this.#stored.set(part.partNumber, part);
    this.#tell();
  }

  /**
   * Sends each of these parts that storage lacks, as they can be sent, up to the first that there is not. Rejects with what
   * the source or `numbers` rejects with, or with the `UploadError` of the first part that cannot be sent; nothing is on its way
   * then.
   */
  async sendAll(numbers: PartNumbers = count, lanes = this.#sending.lanes): Promise<void> {
    const next = numbers(this.#end.signal);
    const lane = async () => {
      for (;;) {
        const { done, value: partNumber } = await next.next();
        if (done) return;
        if (this.#stored.has(partNumber)) continue;
        if (!(await this.#send(partNumber))) return;
      }
    };
    const running = Array.from({ length: lanes }, lane);
    try {
      await Promise.all(running);
    } catch (error) {
      this.#end.abort(error);
      await Promise.allSettled(running);
      throw error;
    }
  }

  /** Finalizes it once all is sent; what storage lacks, or has otherwise, is sent again. */
  async complete(): Promise<FileRecord> {
    for (let mending = 1; ; mending++) {
      const told = await this.#told();
      try {
        return await this.#outlast((signal) => this.#upload.complete(told, signal));
      } catch (error) {
        const again = this.#namedBy(error);
        if (again.length === 0 || mending > MAX_MENDINGS) throw error;
        for (const partNumber of again) this.#stored.delete(partNumber);
        await this.sendAll(() => again.values());
      }
    }
  }

  /** `false` where there is no such part. */
  async #send(partNumber: number): Promise<boolean> {
    const { source, observer } = this.#sending;
    const found = await source.part(partNumber, this.#end.signal);
    if (!found) return false;
    const { content, crc64nvme } = found;
    const part = crc64nvme === undefined ? { partNumber } : { partNumber, crc64nvme };
    const etag = await this.#outlast(async (signal) => {
      observer?.onSending(partNumber);
      try {
        return await sendToStorage(await this.#upload.sign(part, signal), content, signal);
      } catch (error) {
        observer?.onFailed(partNumber);
        // Signing does not look whether the upload is still there.
        if (error instanceof Refusal && error.status === 404) await this.#upload.checkOpen();
        await source.check?.(partNumber, error);
        throw error;
      }
    });
    observer?.onSent(partNumber);
    this.know({ ...part, size: content.size, ...(etag && { etag }) });
    return true;
  }

  #outlast<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { attempt = (work, signal) => work(signal) } = this.#sending;
    return this.#patience.outlast(() => attempt(work, this.#end.signal));
  }

  async #told(): Promise<Parameters<MultipartUpload["complete"]>[0]> {
    const told = await this.#sending.source.whole();
    if (told.crc64nvme === undefined) return told;
    const parts = [...this.#stored.values()].sort((a, b) => a.partNumber - b.partNumber);
    return { ...told, parts: parts.map(({ size: _, ...part }) => part) };
  }

  #namedBy(error: unknown): number[] {
    const named = error instanceof UploadError ? namedParts(error) : [];
    return named.filter((partNumber) => this.#stored.has(partNumber));
  }

  #tell(): void {
    let bytes = 0;
    for (const { size } of this.#stored.values()) bytes += size;
    this.#sending.onSent(bytes);
  }
}

/** 1, 2, 3, … */
function* count(): Generator<number, void, undefined> {
  for (let number = 1; ; number++) yield number;
}
