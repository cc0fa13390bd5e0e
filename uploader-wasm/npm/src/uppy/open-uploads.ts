import { UploadError } from "../index.js";
import {
  errorFromProblem,
  unexpectedReply,
  protocolViolation,
  type JsonObject,
  type CoordinatorRequest,
  type CoordinatorClient,
} from "../coordinator-client.js";
import { readFileRecord } from "../file-record.js";
import { idempotencyKey } from "../idempotency-key.js";
import {
  abortUpload,
  listOfObjects,
  parseSignedParts,
  partOf,
  uploadPath,
  type ExpiringPart,
  type SignedPart,
} from "../signed-parts.js";
import type { FileRecord } from "../types.js";
import type { Description } from "./file-description.js";

/**
 * How many parts' URLs are asked for at a time, in advance of need.
 *
 * Source: own choice; Uppy sends 6 parts at a time, so the next ones are signed while those are on their way.
 */
const PARTS_AHEAD = 16;

/** A URL that is to expire within this time is not used any more, in ms. Source: own choice. */
const MIN_REMAINING_LIFE = 30_000;

/** A part that storage holds. */
export interface StoredPart {
  partNumber: number;
  size: number;
  etag: string;
}

interface OpenUpload {
  fileId: string;
  ticket: string;
  partCount: number;
  /** Parts from here on have not been asked for. */
  nextUnsigned: number;
  /** Asked for, but not handed out yet. */
  signed: Map<number, Promise<ExpiringPart>>;
}

/** Uploads that are open at the coordinator while somebody else sends their parts. */
export class OpenUploads {
  #client: CoordinatorClient;
  #uploads = new Map<string, Promise<OpenUpload>>();

  constructor(client: CoordinatorClient) {
    this.#client = client;
  }

  /**
   * Opens an upload in parts of exactly `partSize` bytes. Where the signal fires meanwhile, it is given up again and
   * the promise rejects.
   */
  async open(
    content: Blob,
    description: Description & { contentType?: string },
    partSize: number,
    signal?: AbortSignal | null,
  ): Promise<{ uploadId: string; fileId: string }> {
    const partCount = Math.max(1, Math.ceil(content.size / partSize));
    const first = range(1, Math.min(partCount, PARTS_AHEAD));
    const lastModified = "lastModified" in content ? content.lastModified : undefined;
    const file = {
      clientRef: "1",
      size: content.size,
      lastModified,
      partSize,
      parts: first.map(partReference),
    };
    // Not with the signal: an upload that was opened without our learning its id could not be given up.
    const reply = await this.#client.request({
      method: "POST",
      path: "/v1/uploads",
      body: { files: [{ ...file, ...description }] },
      idempotencyKey: idempotencyKey(),
    });
    const [grant] = listOfObjects(reply.uploads);
    if (!grant) throw unexpectedReply();
    if (grant.error !== undefined) throw errorFromProblem(grant.error);
    const { uploadId, fileId, ticket } = grant;
    if (typeof uploadId !== "string" || typeof fileId !== "string" || typeof ticket !== "string")
      throw unexpectedReply();
    const isAsPlanned = grant.partCount === partCount && (partCount === 1 || grant.partSize === partSize);
    if (signal?.aborted || !isAsPlanned) {
      await this.abort(uploadId);
      signal?.throwIfAborted();
      throw protocolViolation("the coordinator cuts the file into other parts than Uppy");
    }
    const signed = new Map<number, Promise<ExpiringPart>>();
    for (const [number, part] of parseSignedParts(grant.urls)) signed.set(number, Promise.resolve(part));
    const upload = { fileId, ticket, partCount, nextUnsigned: first.length + 1, signed };
    this.#uploads.set(uploadId, Promise.resolve(upload));
    return { uploadId, fileId };
  }

  /** A request that takes the part, which nobody else was given; some more are asked for with the first of them. */
  async sign(uploadId: string, partNumber: number, signal?: AbortSignal | null): Promise<SignedPart> {
    const upload = await this.#upload(uploadId);
    const held = upload.signed.get(partNumber);
    if (held) {
      upload.signed.delete(partNumber);
      const kept = await held.catch(() => undefined);
      if (kept && kept.deadline - performance.now() > MIN_REMAINING_LIFE) return kept.part;
    }
    const numbers = [partNumber];
    if (partNumber >= upload.nextUnsigned) {
      const last = Math.min(upload.partCount, partNumber + PARTS_AHEAD - 1);
      numbers.push(...range(partNumber + 1, last));
      upload.nextUnsigned = Math.max(last, partNumber) + 1;
    }
    // With the signal only where nobody else waits for the answer.
    const asked = this.#signParts(uploadId, numbers, numbers.length === 1 ? signal : undefined);
    for (const number of numbers.slice(1)) {
      const one = asked.then((parts) => partOf(parts, number));
      one.catch(() => {});
      upload.signed.set(number, one);
    }
    return partOf(await asked, partNumber).part;
  }

  /** What storage holds of the upload. */
  async parts(uploadId: string, signal?: AbortSignal | null): Promise<StoredPart[]> {
    const { parts } = await this.#status(uploadId, signal);
    return listOfObjects(parts).map(({ partNumber, size, etag }) => ({
      partNumber: Number(partNumber),
      size: Number(size),
      etag: String(etag),
    }));
  }

  /** Finalizes the upload, whichever parts Uppy thinks that it has: storage knows. */
  async complete(uploadId: string, signal?: AbortSignal | null): Promise<FileRecord> {
    const reply = await this.#withTicket(uploadId, (ticket) => ({
      method: "POST",
      path: `${uploadPath(uploadId)}/complete`,
      body: { ticket },
      isSlow: true,
      signal,
    }));
    const record = readFileRecord(reply);
    this.#uploads.delete(uploadId);
    return record;
  }

  /** Gives the upload up. One that is gone already, or finalized, is left as it is. */
  async abort(uploadId: string): Promise<void> {
    this.#uploads.delete(uploadId);
    await abortUpload(this.#client, uploadId);
  }

  /** The upload as we know it, or, where an earlier page opened it, as the coordinator does. */
  #upload(uploadId: string): Promise<OpenUpload> {
    const known = this.#uploads.get(uploadId) ?? this.#lookUp(uploadId);
    this.#uploads.set(uploadId, known);
    known.catch(() => {
      if (this.#uploads.get(uploadId) === known) this.#uploads.delete(uploadId);
    });
    return known;
  }

  async #lookUp(uploadId: string): Promise<OpenUpload> {
    const { fileId, ticket, partCount } = await this.#status(uploadId);
    if (typeof fileId !== "string" || typeof partCount !== "number") throw unexpectedReply();
    if (typeof ticket !== "string") {
      const message = "the upload has ended";
      throw new UploadError({ code: "upload_gone", message, retryable: false });
    }
    return { fileId, ticket, partCount, nextUnsigned: 1, signed: new Map() };
  }

  #status(uploadId: string, signal?: AbortSignal | null): Promise<JsonObject> {
    return this.#client.request({ method: "GET", path: uploadPath(uploadId), signal });
  }

  async #signParts(
    uploadId: string,
    numbers: number[],
    signal: AbortSignal | null | undefined,
  ): Promise<Map<number, ExpiringPart>> {
    const reply = await this.#withTicket(uploadId, (ticket) => ({
      method: "POST",
      path: `${uploadPath(uploadId)}/parts`,
      body: { ticket, parts: numbers.map(partReference) },
      signal,
    }));
    return parseSignedParts(reply.urls);
  }

  /** A ticket serves the subject that it was given to: where the page's token is another's by now, another is needed. */
  async #withTicket(uploadId: string, request: (ticket: string) => CoordinatorRequest): Promise<JsonObject> {
    const upload = await this.#upload(uploadId);
    try {
      return await this.#client.request(request(upload.ticket));
    } catch (error) {
      if (!(error instanceof UploadError) || error.code !== "forbidden") throw error;
      upload.ticket = (await this.#lookUp(uploadId)).ticket;
      return await this.#client.request(request(upload.ticket));
    }
  }
}

function partReference(partNumber: number): { partNumber: number } {
  return { partNumber };
}

function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
}
