/**
 * Uploads that are open in the workspace, wherever they were begun. A script of its own, which `Uploader.openUploads` and
 * `Uploader.continue` load when they need it.
 */
import { CoordinatorClient, unexpectedReply, type JsonObject } from "./coordinator-client.js";
import { NOT_INTERRUPTED } from "./failures.js";
import { UploadError } from "./errors.js";
import type { Failure } from "./messages.js";
import { provenChecksum, startHasher, type Hasher, type StoredPart } from "./stored-part.js";
import type { FileRecord, OpenUpload, UploaderOptions } from "./types.js";
import { CheckpointStore } from "./worker/checkpoint-store.js";
import { UploadLocks } from "./worker/upload-locks.js";

const OTHER_FILE: Failure = {
  code: "file_changed",
  message: "this is not the file that the upload was begun with",
  retryable: false,
};

const NOT_KEPT: Failure = {
  code: "not_interrupted",
  message: "nothing can be kept here: IndexedDB or `persist` is off",
  retryable: false,
};

/** Versions of the engine's checkpoint: of parts of one size, with smaller ones at the end, with MD5 digests. */
const PLAIN = 1;
const WITH_TAIL = 2;
const WITH_MD5 = 3;

/** All open uploads of the token's subject, newest first. What this browser has of them is looked at last, since it may begin one meanwhile. */
export async function listOpenUploads(options: UploaderOptions): Promise<OpenUpload[]> {
  const client = new CoordinatorClient(options);
  const found: Omit<OpenUpload, "keptHere">[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.request({
      method: "GET",
      path: `/v1/uploads${cursor ? `?cursor=${cursor}` : ""}`,
    });
    if (!Array.isArray(page.uploads)) throw unexpectedReply();
    for (const upload of page.uploads as OpenUpload[])
      found.push({ ...upload, checksum: page.checksum as OpenUpload["checksum"] });
    cursor = typeof page.nextCursor === "string" ? encodeURIComponent(page.nextCursor) : undefined;
  } while (cursor);
  const kept = await keptIds(client.endpoint);
  return found.map((upload) => ({ ...upload, keptHere: kept.has(upload.uploadId) }));
}

/** The uploads of a coordinator that this browser is busy with, or could go on with. */
async function keptIds(endpoint: string): Promise<Set<string>> {
  const ids = await new UploadLocks().held();
  const checkpoints = await new CheckpointStore(() => {}).all();
  for (const kept of checkpoints) if (kept.endpoint === endpoint) ids.add(kept.uploadId);
  return ids;
}

/**
 * Keeps an upload that another browser began as if this one had: with the parts that storage holds, each compared with
 * the file. Where this browser knows the upload already, nothing is done. Rejects with `file_changed` where the file is
 * another one.
 */
export async function adopt(options: UploaderOptions, upload: OpenUpload, file: Blob): Promise<void> {
  const { uploadId } = upload;
  if ((await new UploadLocks().held()).has(uploadId)) throw new UploadError(NOT_INTERRUPTED);
  const client = new CoordinatorClient(options);
  let isKept = options.persist ?? true;
  const checkpoints = new CheckpointStore(() => (isKept = false));
  if (await checkpoints.get(uploadId)) return;
  const path = `/v1/uploads/${encodeURIComponent(uploadId)}`;
  const status = readStatus(await client.request({ method: "GET", path }));
  if (status.size !== file.size) throw new UploadError(OTHER_FILE);
  const { name, path: folder, metadata, contentType } = status.file;
  checkpoints.put({
    uploadId,
    endpoint: client.endpoint,
    checkpoint: JSON.stringify(await checkpointOf(options, status, file, upload.checksum)),
    description: { name, path: folder, metadata, contentType, chosenType: contentType, renamed: true },
  });
  await checkpoints.flush();
  if (!isKept) throw new UploadError(NOT_KEPT);
}

/** The coordinator's word on an upload, as far as it is needed. */
interface Status {
  uploadId: string;
  kind: string;
  size: number;
  partSize: number;
  tail?: { after: number; partSize: number };
  parts: StoredPart[];
  file: FileRecord;
}

function readStatus(reply: JsonObject): Status {
  const status = reply as unknown as Status;
  const isSound = typeof status.size === "number" && status.partSize > 0 && Array.isArray(status.parts);
  if (!isSound || typeof status.file?.name !== "string") throw unexpectedReply();
  return status;
}

/** What the engine would have kept of the upload. */
async function checkpointOf(
  options: UploaderOptions,
  status: Status,
  file: Blob,
  by: OpenUpload["checksum"],
): Promise<object> {
  const { uploadId, kind, size, partSize, tail } = status;
  const parts = kind === "multipart" ? await knownParts(options, status, file, by) : [];
  const version = parts.some(({ md5 }) => md5) ? WITH_MD5 : tail ? WITH_TAIL : PLAIN;
  const lastModified = "lastModified" in file ? file.lastModified : undefined;
  return { version, uploadId, kind, size, partSize, tail, name: status.file.name, lastModified, parts };
}

/** A part as a checkpoint has it. */
interface KnownPart {
  part: number;
  crc?: string;
  md5?: string;
  stored: true;
}

/** The stored parts whose bytes are the file's. What storage tells no checksum of is left out, and sent again. */
async function knownParts(
  options: UploaderOptions,
  status: Status,
  file: Blob,
  by: OpenUpload["checksum"],
): Promise<KnownPart[]> {
  const known: KnownPart[] = [];
  let hasher: Hasher | undefined;
  try {
    for (const stored of status.parts) {
      const slice = sliceOf(status, file, stored.partNumber);
      if (slice.size !== stored.size) continue;
      hasher ??= await startHasher(options);
      const found = await provenChecksum(hasher, slice, stored, by);
      if (found === false) throw new UploadError(OTHER_FILE);
      if (found) known.push({ part: stored.partNumber, ...found, stored: true });
    }
  } finally {
    hasher?.end();
  }
  return known;
}

function sliceOf({ partSize, tail }: Status, file: Blob, partNumber: number): Blob {
  const before = partNumber - 1;
  if (!tail || before < tail.after) return file.slice(before * partSize, partNumber * partSize);
  const start = tail.after * partSize + (before - tail.after) * tail.partSize;
  return file.slice(start, start + tail.partSize);
}
