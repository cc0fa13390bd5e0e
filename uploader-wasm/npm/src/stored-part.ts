/** Whether a part that storage holds is the file's: a worker reads it and compares checksums. */
import { base64 } from "./base64.js";
import { compile } from "./compile.js";
import { UNREADABLE } from "./failures.js";
import { UploadError } from "./errors.js";
import type { FromLane, StartMessage, ToLane } from "./messages.js";
import type { OpenUpload, UploaderOptions } from "./types.js";
import { createWorker } from "./worker-script.js";

/** A part that storage holds. */
export interface StoredPart {
  partNumber: number;
  size: number;
  etag: string;
  crc64nvme?: string;
}

/** Computes checksums of slices, one at a time. */
export interface Hasher {
  /** CRC64NVME in base64. */
  crc64nvme(slice: Blob): Promise<string>;
  md5(slice: Blob): Promise<Uint8Array>;
  end(): void;
}

/** Starts a lane of its own; it is ended by `end`. */
export async function startHasher(options: UploaderOptions): Promise<Hasher> {
  const worker = createWorker(options);
  const { port1: port, port2: conductor } = new MessageChannel();
  const message: StartMessage = {
    type: "start",
    role: "lane",
    module: await compile(options),
    conductor,
    bodies: "file",
  };
  worker.postMessage(message, [conductor]);
  let attempt = 0n;
  const ask = (slice: Blob, md5: boolean) =>
    new Promise<FromLane>((resolve, reject) => {
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new UploadError({ code: "worker_failed", message: "the worker failed", retryable: true }));
      };
      port.onmessage = ({ data }: MessageEvent<FromLane>) => resolve(data);
      const hash: ToLane = { type: "hash", attempt: ++attempt, slice, length: slice.size, md5 };
      port.postMessage(hash);
    });
  return {
    async crc64nvme(slice) {
      const answer = await ask(slice, false);
      if (answer.type !== "hashed") throw new UploadError(UNREADABLE);
      return base64(bytesOf(answer.crc64nvme));
    },
    async md5(slice) {
      const answer = await ask(slice, true);
      if (answer.type !== "digested") throw new UploadError(UNREADABLE);
      return answer.md5;
    },
    end: () => worker.terminate(),
  };
}

/**
 * The checksum to keep of a part that is the file's, by what storage proves content by; `false` of one that is not, and
 * `undefined` where storage tells nothing to compare with. Where it lists no checksums its ETag of 32 digits is the part's
 * MD5. Those of objects that are encrypted under a key of somebody's are not, but such storage lists checksums.
 *
 * Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>, on ETags.
 */
export async function provenChecksum(
  hasher: Hasher,
  slice: Blob,
  { etag, crc64nvme }: StoredPart,
  by: OpenUpload["checksum"],
): Promise<{ crc: string } | { md5: string } | false | undefined> {
  if (by !== "md5" && crc64nvme !== undefined) {
    const crc = await hasher.crc64nvme(slice);
    return crc === crc64nvme && { crc };
  }
  const listed = etag.replaceAll('"', "");
  if (!/^[0-9a-f]{32}$/.test(listed)) return undefined;
  const digest = await hasher.md5(slice);
  if (hex(digest) !== listed) return false;
  return by === "md5" ? { md5: base64(digest) } : { crc: await hasher.crc64nvme(slice) };
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Big-endian, as S3 writes it. */
function bytesOf(checksum: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, checksum);
  return bytes;
}
