/** The coordinator's calls about files that a new one may take from: docs/api.md, "Only what changed". */
import { bytesOfBase64 } from "../base64.js";
import { unexpectedReply, type CoordinatorClient, type JsonObject } from "../coordinator-client.js";
import { readFileRecord } from "../file-record.js";
import { listOfObjects } from "../signed-parts.js";
import type { FileRecord } from "../types.js";

/** Longest packed index in base64. Source: docs/api.md: 4 bytes, and 44 for each of 10,000 chunks. */
const MAX_INDEX_LENGTH = 586_680;

/** Bytes that become text at a time: they are arguments of one call. Source: own choice. */
const PIECE = 8192;

/** A file that a new one may take from. */
export interface Base {
  fileId: string;
  size: number;
  /** Whether it has the new file's folder and name. */
  sameName: boolean;
  /** Its packed content index, where it has one. */
  chunks?: Uint8Array<ArrayBuffer>;
}

/** What the coordinator knows of a file before it is uploaded. */
export interface FoundBases {
  /** Whether storage copies ranges, and proves what it has copied. */
  copies: boolean;
  /** Whether storage wants parts of one size. */
  equalParts: boolean;
  /** The one that was asked for first, then the newest of the name, then those of the size. */
  bases: Base[];
}

/** What a new file is called, and its folder. */
export interface FileToFind {
  name: string;
  path?: string;
  size: number;
  /** The file that it is to be the next version of. */
  base?: string;
}

/** Files of the token's subject that this one could take from. */
export async function findBases(
  client: CoordinatorClient,
  { name, path, size, base }: FileToFind,
  signal: AbortSignal,
): Promise<FoundBases> {
  const body = { name, path, size, base };
  const reply = await client.request({ method: "POST", path: "/v1/files/bases", body, signal });
  return {
    copies: reply.copies === true,
    equalParts: reply.equalParts === true,
    bases: listOfObjects(reply.bases).map(parseBase),
  };
}

/** A new file of the same content as one of the subject's own, of which no byte moves. */
export async function takeOver(
  client: CoordinatorClient,
  file: JsonObject & { from: string; content: string },
  idempotencyKey: string,
  signal: AbortSignal,
): Promise<FileRecord> {
  const reply = await client.request({
    method: "POST",
    path: "/v1/files",
    body: file,
    idempotencyKey,
    isSlow: true,
    signal,
  });
  return readFileRecord(reply.file);
}

/** States the content index of a file of the subject's own. */
export async function tellIndex(
  client: CoordinatorClient,
  fileId: string,
  packed: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const path = `/v1/files/${encodeURIComponent(fileId)}/chunks`;
  await client.request({ method: "PUT", path, body: { chunks: textOf(packed) }, signal });
}

/** The content id of a packed index, in base64. */
export async function contentId(packed: Uint8Array<ArrayBuffer>): Promise<string> {
  return textOf(new Uint8Array(await crypto.subtle.digest("SHA-256", packed)));
}

function parseBase({ fileId, size, sameName, chunks }: JsonObject): Base {
  if (typeof fileId !== "string" || typeof size !== "number") throw unexpectedReply();
  const base = { fileId, size, sameName: sameName === true };
  return typeof chunks === "string" ? { ...base, chunks: bytesOf(chunks) } : base;
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  if (text.length > MAX_INDEX_LENGTH) throw unexpectedReply();
  try {
    return bytesOfBase64(text);
  } catch {
    throw unexpectedReply();
  }
}

function textOf(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE)
    text += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  return btoa(text);
}
