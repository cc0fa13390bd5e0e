/** The upload of a stream that goes on: begins it, takes up that of an earlier page, and begins anew where it is gone. */
import { CoordinatorClient } from "../coordinator-client.js";
import { UploadError } from "../errors.js";
import { idempotencyKey } from "../idempotency-key.js";
import { abortUpload } from "../signed-parts.js";
import { provenChecksum, startHasher, type Hasher, type StoredPart } from "../stored-part.js";
import type { FileRecord, UploaderOptions } from "../types.js";
import type { Growth } from "../growth.js";
import { isGone, MultipartUpload } from "../multipart-upload.js";
import { PartSender } from "../part-sender.js";
import { Patience } from "../patience.js";
import type { SpoolFile } from "./spool-file.js";
import { SpoolParts, TooManyParts } from "./spool-parts.js";
import type { KeptUpload, StreamDescription } from "./stream-note.js";

/** Where the page wishes no other. Source: `MIN_PART_SIZE` of `protocol/src/parts.rs`: the least is to be sent after the end. */
const PART_SIZE = 5 * 1024 * 1024;

/** Most parts that are on their way at a time, and most bytes of them, but for one part. Source: own choice. */
const MAX_LANES = 3;
const MAX_MEMORY = 48 * 1024 * 1024;

/** How often an upload that is gone is begun anew. Source: own choice. */
const MAX_BEGINNINGS = 3;

/** What the upload of a stream works with. */
export interface LiveUploadParts {
  options: UploaderOptions;
  spool: SpoolFile;
  growth: Growth;
  description: StreamDescription;
  signal: AbortSignal;
  onSent: (bytes: number) => void;
}

/** One stream's upload. */
export class LiveUpload {
  #parts: LiveUploadParts;
  #client: CoordinatorClient;
  #patience: Patience;
  /** The one that is open, as far as is known. */
  #kept: KeptUpload | undefined;

  constructor(parts: LiveUploadParts) {
    this.#parts = parts;
    this.#client = new CoordinatorClient(parts.options);
    this.#patience = new Patience(parts.options.retry, parts.signal);
  }

  /**
   * Sends the stream as it grows, and finalizes it at its end, going on with what was kept of it. `undefined` where it has
   * to go as a whole: it is shorter than a part, longer than an upload may be, or the coordinator takes none without a size.
   */
  async run(kept: KeptUpload | undefined): Promise<FileRecord | undefined> {
    const found = kept && (await this.#takeUp(kept));
    if (found && "fileId" in found) return found;
    let sender = found;
    const { options, growth, signal } = this.#parts;
    const partSize = options.partSize ?? PART_SIZE;
    if (!sender && (await growth.upTo(partSize, signal)) < partSize) return undefined;
    for (let beginning = 1; ; beginning++) {
      sender ??= await this.#begin(partSize);
      if (!sender) return undefined;
      try {
        await sender.sendAll();
        return await sender.complete();
      } catch (error) {
        if (error instanceof TooManyParts) return void (await this.discard());
        if (!isGone(error) || beginning > MAX_BEGINNINGS) throw error;
        sender = undefined;
        this.#kept = undefined;
        this.#parts.onSent(0);
      }
    }
  }

  /** Gives the upload up at the coordinator; where that is out of reach, it expires. */
  async discard(): Promise<void> {
    if (this.#kept) await abortUpload(this.#client, this.#kept.uploadId).catch(() => {});
    this.#kept = undefined;
  }

  async #begin(partSize: number): Promise<PartSender | undefined> {
    const { options, spool, description } = this.#parts;
    const integrity = options.integrity === "none" ? "none" : undefined;
    const key = idempotencyKey();
    let begun;
    try {
      // Without the signal: an upload that was begun without our learning its id could not be given up.
      begun = await this.#patience.outlast(() =>
        MultipartUpload.begin(this.#client, { ...description, partSize, integrity }, key),
      );
    } catch (error) {
      // As of a coordinator that wants a size.
      if (error instanceof UploadError && error.code === "invalid_request") return undefined;
      throw error;
    }
    const { upload, checksum } = begun;
    const { endpoint } = this.#client;
    this.#kept = { endpoint, uploadId: upload.uploadId, isChecked: !integrity && checksum !== "none" };
    // What proves the parts there is computed by the engine alone.
    if (checksum === "md5" && !integrity) return void (await this.discard());
    await spool.writeNote({ ...description, upload: this.#kept });
    return this.#sender(upload, this.#kept);
  }

  /** The upload of an earlier page, or its file, where that ended as the upload had; `undefined` where it is gone. */
  async #takeUp(kept: KeptUpload): Promise<PartSender | FileRecord | undefined> {
    if (kept.endpoint !== this.#client.endpoint) return undefined;
    this.#kept = kept;
    const { spool, growth } = this.#parts;
    let found;
    try {
      found = await this.#patience.outlast(() => MultipartUpload.find(this.#client, kept.uploadId));
    } catch (error) {
      if (!isGone(error)) throw error;
      this.#kept = undefined;
      return undefined;
    }
    if ("record" in found) {
      const { record } = found;
      const isOurs = record.size === growth.length && record.checksum.crc64nvme === (await spool.checksum());
      this.#kept = undefined;
      return isOurs ? record : undefined;
    }
    const sender = this.#sender(found.upload, kept);
    await this.#prove(sender, found.upload.partSize, found.parts);
    return sender;
  }

  /** Has the sender know the stored parts whose bytes are the stream's. */
  async #prove(sender: PartSender, partSize: number, parts: StoredPart[]): Promise<void> {
    const { options, spool, growth, signal } = this.#parts;
    let hasher: Hasher | undefined;
    try {
      for (const part of parts) {
        signal.throwIfAborted();
        const { partNumber, size, etag } = part;
        const at = (partNumber - 1) * partSize;
        if (size !== Math.min(partSize, growth.length - at)) continue;
        const { content, crc64nvme } = await spool.read(at, size);
        const isListed = part.crc64nvme !== undefined;
        if (!isListed) hasher ??= await startHasher(options);
        const isProven = hasher
          ? await provenChecksum(hasher, new Blob([content]), part, "crc64nvme")
          : part.crc64nvme === crc64nvme;
        if (isProven) sender.know({ partNumber, size, etag, crc64nvme });
      }
    } finally {
      hasher?.end();
    }
  }

  #sender(upload: MultipartUpload, { isChecked }: KeptUpload): PartSender {
    const { options, spool, growth, signal, onSent } = this.#parts;
    const source = new SpoolParts(spool, growth, upload, isChecked);
    const lanes = Math.max(1, Math.min(MAX_LANES, Math.floor(MAX_MEMORY / upload.partSize)));
    return new PartSender(upload, { source, lanes, retry: options.retry, signal, onSent });
  }
}
