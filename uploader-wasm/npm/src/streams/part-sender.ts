/** Sends the parts of one upload while its stream goes on, and has it completed. */
import { UploadError } from "../errors.js";
import { namedParts } from "../problem-details.js";
import type { FileRecord, RetryOptions } from "../types.js";
import type { Growth } from "./growth.js";
import { linkedController } from "../linked-controller.js";
import { Patience, Refusal } from "../patience.js";
import type { SpoolFile } from "./spool-file.js";
import { sendToStorage } from "./storage-request.js";
import type { SentPart, UnsizedUpload } from "./unsized-upload.js";

/** Most parts that are on their way at a time, and most bytes of them, but for one part. Source: own choice. */
const MAX_LANES = 3;
const MAX_MEMORY = 48 * 1024 * 1024;

/** How often storage is mended where it holds something else than was sent. Source: own choice. */
const MAX_MENDINGS = 8;

/** The stream has more parts than the upload may have. */
export class TooManyParts extends Error {}

/** What a sender works with. */
export interface Sending {
  spool: SpoolFile;
  growth: Growth;
  /** Whether parts are told with checksums. */
  isChecked: boolean;
  retry: RetryOptions | undefined;
  signal: AbortSignal;
  /** Storage has so many bytes now. */
  onSent: (bytes: number) => void;
}

/** The parts of one upload. */
export class PartSender {
  #upload: UnsizedUpload;
  #sending: Sending;
  #end: AbortController;
  #patience: Patience;
  #stored = new Map<number, SentPart & { size: number }>();

  constructor(upload: UnsizedUpload, sending: Sending) {
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
   * Sends each part that storage lacks once it is full, the last one when the stream has ended. Rejects with
   * `TooManyParts`, or with the `UploadError` of the first part that cannot be sent; nothing is on its way then.
   */
  async sendAll(): Promise<void> {
    let next = 1;
    const lane = async () => {
      for (;;) {
        const partNumber = next++;
        if (this.#stored.has(partNumber)) continue;
        if (!(await this.#send(partNumber))) return;
      }
    };
    const lanes = Math.max(1, Math.min(MAX_LANES, Math.floor(MAX_MEMORY / this.#upload.partSize)));
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
        return await this.#patience.outlast(() => this.#upload.complete(told, this.#end.signal));
      } catch (error) {
        const again = this.#namedBy(error);
        if (again.length === 0 || mending > MAX_MENDINGS) throw error;
        for (const partNumber of again) this.#stored.delete(partNumber);
        await this.sendAll();
      }
    }
  }

  /** `false` where the stream has ended before this part. */
  async #send(partNumber: number): Promise<boolean> {
    const { spool, growth, isChecked } = this.#sending;
    const { partSize, partCount } = this.#upload;
    const { signal } = this.#end;
    const at = (partNumber - 1) * partSize;
    const size = (await growth.upTo(at + partSize, signal)) - at;
    if (size <= 0) return false;
    if (partNumber > partCount) throw new TooManyParts();
    const { content, crc64nvme } = await spool.read(at, size);
    const part = isChecked ? { partNumber, crc64nvme } : { partNumber };
    const etag = await this.#patience.outlast(async () => {
      try {
        return await sendToStorage(await this.#upload.sign(part, signal), content, signal);
      } catch (error) {
        // Signing does not look whether the upload is still there.
        if (error instanceof Refusal && error.status === 404) await this.#upload.checkOpen();
        throw error;
      }
    });
    this.know({ ...part, size, ...(etag && { etag }) });
    return true;
  }

  async #told(): Promise<Parameters<UnsizedUpload["complete"]>[0]> {
    const { spool, growth, isChecked } = this.#sending;
    const size = growth.bytes;
    if (!isChecked) return { size };
    const parts = [...this.#stored.values()].sort((a, b) => a.partNumber - b.partNumber);
    return { size, crc64nvme: await spool.checksum(), parts: parts.map(({ size: _, ...part }) => part) };
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
