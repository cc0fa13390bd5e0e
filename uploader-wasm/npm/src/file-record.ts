import { unexpectedReply } from "./coordinator-client.js";
import type { FileRecord } from "./types.js";

/** A file's record out of a reply; throws where it is none. */
export function readFileRecord(value: unknown): FileRecord {
  const record = value as FileRecord | undefined;
  if (typeof record?.fileId !== "string") throw unexpectedReply();
  return record;
}
