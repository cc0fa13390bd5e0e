/** What is written down beside a download's bytes, for the page that goes on after a reload. */
import type { FileRecord } from "../types.js";

/** It tells only of what is on the disk. */
export interface DownloadNote {
  /** Of storage's answers, where the bucket exposes it. */
  storageEtag?: string;
  /** CRC64NVME of each range in base64, `null` where it is missing. */
  checksums: readonly (string | null)[];
}

/** `undefined` where it is of another object, or damaged, as after a crash in the middle of writing it. */
export function parseNote(text: string, record: FileRecord): DownloadNote | undefined {
  try {
    const { object, storageEtag, checksums } = JSON.parse(text) as DownloadNote & { object: string };
    const isSound =
      object === objectOf(record) &&
      (storageEtag === undefined || typeof storageEtag === "string") &&
      checksums.every((one) => one === null || /^[A-Za-z0-9+/]{11}=$/.test(one));
    return isSound ? { storageEtag, checksums: [...checksums] } : undefined;
  } catch {
    return undefined;
  }
}

export function writtenNote(note: DownloadNote, record: FileRecord): string {
  return JSON.stringify({ object: objectOf(record), ...note });
}

/** What tells one object from another. */
function objectOf({ fileId, size, checksum, etag }: FileRecord): string {
  return JSON.stringify([fileId, size, checksum.crc64nvme, etag]);
}
