import { mediaType } from "../media-type.js";
import type { FileRecord } from "../types.js";
import type { UppyClient } from "./client.js";
import { describeFile, type FileOfUppy } from "./file-description.js";
import { OpenUploads } from "./open-uploads.js";
import { partSizeFor, singlePartSize } from "./part-size.js";
import { RetryingClient } from "./retrying-client.js";
import { sendPart, type PartToSend } from "../send-part.js";

/** A file as `@uppy/aws-s3` hands it to its callbacks. */
export interface LocalFile extends FileOfUppy {
  data: unknown;
}

/** Which upload a callback is about. */
interface UploadReference {
  uploadId?: string;
  signal?: AbortSignal;
}

/** What the response body of Uppy's `upload-success` is: the file's record, and what Uppy's uploader wants in it. */
export type CompletedFile = FileRecord & {
  /** The content at the coordinator, which wants a token. */
  location: string;
  /** The file's id. */
  key: string;
};

/** What `uppyCallbacks` gives: options of `@uppy/aws-s3` version 5. */
export interface UppyCallbacks {
  /** All files go as multipart uploads, small ones in one part: so that cancelling frees each of them. */
  shouldUseMultipart: true;
  getChunkSize(file: { size: number }): number;
  createMultipartUpload(file: LocalFile, signal?: AbortSignal): Promise<{ uploadId: string; key: string }>;
  signPart(file: LocalFile, part: UploadReference & { partNumber: number }): Promise<PartParameters>;
  listParts(
    file: LocalFile,
    reference: UploadReference,
  ): Promise<{ PartNumber: number; Size: number; ETag: string }[]>;
  abortMultipartUpload(file: LocalFile, reference: UploadReference): Promise<void>;
  completeMultipartUpload(file: LocalFile, reference: UploadReference): Promise<CompletedFile>;
  /** Where a `shouldUseMultipart` of the page's own has files go in one request. */
  getUploadParameters(file: LocalFile, options?: { signal?: AbortSignal }): Promise<PartParameters>;
  uploadPartBytes(part: PartToSend): Promise<{ ETag: string; location?: string }>;
}

/** A request that storage takes a part by, as `@uppy/aws-s3` wants it. */
export type PartParameters =
  | { method: "PUT"; url: string; headers: Record<string, string> }
  | { method: "POST"; url: string; headers: Record<string, string>; fields: Record<string, string> };

/**
 * Options for `@uppy/aws-s3` version 5 that have it upload through our coordinator, with its tokens, limits, files and
 * change feed: `uppy.use(AwsS3, uppyCallbacks({ endpoint, token }))`, or spread among options of your own, all but
 * `getChunkSize`, for which there is `partSize`.
 *
 * Parts are sent by Uppy, without checksums: storage checks their length alone, and the coordinator that all are there.
 */
export function uppyCallbacks(client: UppyClient): UppyCallbacks {
  const coordinator = new RetryingClient(client);
  const uploads = new OpenUploads(coordinator);
  const open = async (file: LocalFile, plan: (size: number) => number, signal?: AbortSignal | null) => {
    const content = file.data as Blob;
    const description = { ...describeFile(file, client), contentType: mediaType(file.type ?? "") };
    return await uploads.open(content, description, plan(content.size), signal);
  };
  const parameters = async (uploadId: string, partNumber: number, signal?: AbortSignal) => {
    const { method, url, headers, fields = {} } = await uploads.sign(uploadId, partNumber, signal);
    return method === "POST" ? { method, url, headers, fields } : { method, url, headers };
  };
  const complete = async (uploadId: string, signal?: AbortSignal): Promise<CompletedFile> => {
    const record = await uploads.complete(uploadId, signal);
    const location = `${coordinator.endpoint}/v1/files/${record.fileId}/content`;
    return { ...record, location, key: record.fileId };
  };
  /** Uploads in one request, by content, so that a repeated attempt takes up the same. */
  const singleRequests = new WeakMap<object, Promise<string>>();
  /** Uppy hands the headers on as they are: by them a request is known again. */
  const singleRequestsByHeaders = new WeakMap<object, { content: object; uploadId: string }>();
  return {
    shouldUseMultipart: true,
    getChunkSize: ({ size }) => partSizeFor(size, client.partSize),
    async createMultipartUpload(file, signal) {
      const { uploadId, fileId } = await open(file, (size) => partSizeFor(size, client.partSize), signal);
      return { uploadId, key: fileId };
    },
    signPart: (_, { uploadId, partNumber, signal }) => parameters(requireId(uploadId), partNumber, signal),
    async listParts(_, { uploadId, signal }) {
      const parts = await uploads.parts(requireId(uploadId), signal);
      return parts.map(({ partNumber, size, etag }) => ({ PartNumber: partNumber, Size: size, ETag: etag }));
    },
    abortMultipartUpload: (_, { uploadId }) => uploads.abort(requireId(uploadId)),
    completeMultipartUpload: (_, { uploadId, signal }) => complete(requireId(uploadId), signal),
    async getUploadParameters(file, { signal } = {}) {
      const content = file.data as object;
      const begun =
        singleRequests.get(content) ?? open(file, singlePartSize).then(({ uploadId }) => uploadId);
      singleRequests.set(content, begun);
      begun.catch(() => singleRequests.delete(content));
      const uploadId = await begun;
      const request = await parameters(uploadId, 1, signal);
      singleRequestsByHeaders.set(request.headers, { content, uploadId });
      return request;
    },
    async uploadPartBytes(part) {
      const sent = await sendPart(part);
      const { headers } = part.signature;
      const upload = headers && singleRequestsByHeaders.get(headers);
      if (!upload) return sent;
      // Whatever becomes of it, the next attempt begins anew.
      singleRequests.delete(upload.content);
      return { ...(await complete(upload.uploadId, part.signal)), ...sent };
    },
  };
}

function requireId(uploadId: string | undefined): string {
  if (uploadId === undefined) throw new TypeError("uploadId is missing");
  return uploadId;
}
