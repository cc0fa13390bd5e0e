/** The coordinator's calls about one upload whose parts the page numbers: without a size, or of a free layout (docs/api.md). */
import {
  errorFromProblem,
  unexpectedReply,
  type CoordinatorClient,
  type CoordinatorRequest,
  type JsonObject,
} from "./coordinator-client.js";
import { UploadError } from "./errors.js";
import { readFileRecord } from "./file-record.js";
import { listOfObjects, parseSignedParts, partOf, uploadPath, type SignedPart } from "./signed-parts.js";
import type { StoredPart } from "./stored-part.js";
import type { FileRecord, OpenUpload } from "./types.js";

/** What an upload is begun with. */
export interface NewUpload {
  name: string;
  path?: string;
  metadata?: Record<string, string>;
  contentType?: string;
  lastModified?: number;
  /** Absent where it is told at the end. */
  size?: number;
  /** The file that this one becomes the next version of; with a `?` behind its id, where that is still there. */
  base?: string;
  /** Parts of any size, for a file of this size. */
  layout?: "free";
  partSize?: number;
  integrity?: "none";
}

/** A part as it is told at the end. */
export interface SentPart {
  partNumber: number;
  etag?: string;
  crc64nvme?: string;
}

/** A part that storage is to make of a range of another file. */
export interface PartToCopy {
  partNumber: number;
  offset: number;
  length: number;
}

/** One upload. All calls may be repeated. */
export class MultipartUpload {
  readonly uploadId: string;
  /** Size of every part but the last; in a free layout the least. */
  readonly partSize: number;
  /** How many parts there may be. */
  readonly partCount: number;
  #client: CoordinatorClient;
  #ticket: string;

  private constructor(client: CoordinatorClient, reply: JsonObject) {
    const { uploadId, partSize, partCount, ticket } = reply;
    if (typeof uploadId !== "string" || typeof partSize !== "number" || !(partSize > 0))
      throw unexpectedReply();
    if (typeof partCount !== "number" || typeof ticket !== "string") throw unexpectedReply();
    this.uploadId = uploadId;
    this.partSize = partSize;
    this.partCount = partCount;
    this.#client = client;
    this.#ticket = ticket;
  }

  /** Begins an upload, the same one under the same key; tells by which checksums storage proves its parts. */
  static async begin(
    client: CoordinatorClient,
    file: NewUpload,
    idempotencyKey: string,
  ): Promise<{ upload: MultipartUpload; checksum: OpenUpload["checksum"] }> {
    const reply = await client.request({
      method: "POST",
      path: "/v1/uploads",
      body: { files: [{ clientRef: "1", parts: [], ...file }] },
      idempotencyKey,
    });
    const [grant] = listOfObjects(reply.uploads);
    if (!grant) throw unexpectedReply();
    if (grant.error !== undefined) throw errorFromProblem(grant.error);
    return { upload: new MultipartUpload(client, grant), checksum: grant.checksum as OpenUpload["checksum"] };
  }

  /** The upload of an earlier page, and what storage holds of it, or its file. Rejects with `upload_gone` where it was given up. */
  static async find(
    client: CoordinatorClient,
    uploadId: string,
  ): Promise<{ upload: MultipartUpload; parts: StoredPart[] } | { record: FileRecord }> {
    const reply = await client.request({ method: "GET", path: uploadPath(uploadId) });
    if (reply.status === "available") return { record: readFileRecord(reply.file) };
    if (reply.ticket === undefined) throw gone();
    const parts = listOfObjects(reply.parts).map(({ partNumber, size, etag, crc64nvme }) => ({
      partNumber: Number(partNumber),
      size: Number(size),
      etag: String(etag),
      crc64nvme: typeof crc64nvme === "string" ? crc64nvme : undefined,
    }));
    return { upload: new MultipartUpload(client, reply), parts };
  }

  /** The request that takes a part, with this content where its checksum is told. */
  async sign(part: { partNumber: number; crc64nvme?: string }, signal: AbortSignal): Promise<SignedPart> {
    const reply = await this.#withTicket((ticket) => ({
      method: "POST",
      path: `${uploadPath(this.uploadId)}/parts`,
      body: { ticket, parts: [part] },
      signal,
    }));
    return partOf(parseSignedParts(reply.urls), part.partNumber).part;
  }

  /**
   * Has storage copy ranges of a file into parts of a free layout, at most 24. Each one's answer is the part, or the error
   * for which it was not copied.
   */
  async copy(
    from: string,
    parts: PartToCopy[],
    signal: AbortSignal,
  ): Promise<(Required<SentPart> | { partNumber: number; error: UploadError })[]> {
    const reply = await this.#withTicket((ticket) => ({
      method: "POST",
      path: `${uploadPath(this.uploadId)}/copies`,
      body: { ticket, from, parts },
      isSlow: true,
      signal,
    }));
    return listOfObjects(reply.parts).map(({ partNumber, etag, crc64nvme, error }) => {
      if (typeof partNumber !== "number") throw unexpectedReply();
      if (error !== undefined) return { partNumber, error: errorFromProblem(error) };
      if (typeof etag !== "string" || typeof crc64nvme !== "string") throw unexpectedReply();
      return { partNumber, etag, crc64nvme };
    });
  }

  /** Has it finalized: with what it came to, and, where checksums are told, the whole's and all parts'. */
  async complete(
    told: { size?: number; crc64nvme?: string; parts?: SentPart[] },
    signal: AbortSignal,
  ): Promise<FileRecord> {
    const record = await this.#withTicket((ticket) => ({
      method: "POST",
      path: `${uploadPath(this.uploadId)}/complete`,
      body: { ticket, ...told },
      isSlow: true,
      signal,
    }));
    return readFileRecord(record);
  }

  /** Rejects with `upload_gone` or `not_found` where it was given up. */
  async checkOpen(): Promise<void> {
    await MultipartUpload.find(this.#client, this.uploadId);
  }

  /** A ticket serves the subject that it was given to: where the page's token is another's by now, another is needed. */
  async #withTicket(request: (ticket: string) => CoordinatorRequest): Promise<JsonObject> {
    try {
      return await this.#client.request(request(this.#ticket));
    } catch (error) {
      if (!(error instanceof UploadError) || error.code !== "forbidden") throw error;
      const found = await MultipartUpload.find(this.#client, this.uploadId);
      if ("upload" in found) this.#ticket = found.upload.#ticket;
      return await this.#client.request(request(this.#ticket));
    }
  }
}

/** Whether an upload is no longer there. */
export function isGone(error: unknown): boolean {
  return error instanceof UploadError && (error.code === "upload_gone" || error.code === "not_found");
}

function gone(): UploadError {
  return new UploadError({ code: "upload_gone", message: "the upload has ended", retryable: false });
}
