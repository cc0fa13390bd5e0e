import { unexpectedReply } from "../coordinator-client.js";
import type { UppyClient } from "./client.js";
import { describeFile, type FileOfUppy } from "./file-description.js";
import { partSizeFor } from "./part-size.js";
import { RetryingClient } from "./retrying-client.js";
import { idempotencyKey } from "../idempotency-key.js";

/** What `@uppy/aws-s3` version 6 wants to have signed. */
export interface RequestToSign {
  method: string;
  key: string;
  uploadId?: string;
  partNumber?: number;
  contentType?: string;
}

/** Where such a request goes. */
export interface SignedRequest {
  url: string;
  /** The object's own key, where an upload begins. */
  key?: string;
  headers?: Record<string, string>;
  /** Of a form that carries a whole file. */
  fields?: Record<string, string>;
}

/** What `uppySigner` gives: options of `@uppy/aws-s3` version 6. */
export interface UppySigner {
  signRequest(request: RequestToSign): Promise<SignedRequest>;
  /** All files but empty ones go as multipart uploads, small ones in one part: they end with an answer of ours. */
  shouldUseMultipart: true;
  getChunkSize(file: { size: number }): number;
  /** Says name and folder; the object's key is the coordinator's choice. */
  generateObjectKey(file: FileOfUppy): string;
}

/**
 * Options for `@uppy/aws-s3` version 6 that have it upload through our coordinator, with its tokens, limits, files and
 * change feed: `uppy.use(AwsS3, uppySigner({ endpoint, token }))`, or spread among options of your own.
 *
 * Parts are sent by Uppy, one after the other and without checksums. Uppy says a file's name, folder and type, but neither
 * size nor metadata: the record has the size once it is `available`, and no metadata.
 */
export function uppySigner(options: UppyClient): UppySigner {
  const client = new RetryingClient(options);
  return {
    shouldUseMultipart: true,
    getChunkSize: ({ size }) => partSizeFor(size, options.partSize),
    generateObjectKey(file) {
      const { name, path } = describeFile(file, options);
      return `${path && `${path}/`}${PLACEHOLDER_UUID}-${name}`;
    },
    async signRequest({ method, key, uploadId, partNumber, contentType }) {
      const reply = await client.request({
        method: "POST",
        path: SIGN_PATH,
        body: { method, key, uploadId, partNumber, contentType },
        idempotencyKey: idempotencyKey(),
      });
      if (typeof reply.url !== "string") throw unexpectedReply();
      return {
        // Its own addresses are relative to the one it was asked at.
        url: new URL(reply.url, client.endpoint + SIGN_PATH).href,
        key: reply.key as string | undefined,
        headers: reply.headers as Record<string, string> | undefined,
        fields: reply.fields as Record<string, string> | undefined,
      };
    },
  };
}

const SIGN_PATH = "/v1/s3/sign";

/** Uppy's keys have one before the name, which the coordinator drops: with it, names that begin so themselves stay whole. */
const PLACEHOLDER_UUID = "00000000-0000-4000-8000-000000000000";
