/** What the page asks the coordinator about an upload's parts, and reads from its answers. */
import { unexpectedReply, type CoordinatorClient, type JsonObject } from "./coordinator-client.js";
import { UploadError } from "./errors.js";

/** A request that storage takes a part by. */
export interface SignedPart {
  method: "PUT" | "POST";
  url: string;
  headers: Record<string, string>;
  /** Of a form that carries the bytes; no others go with a PUT. */
  fields?: Record<string, string>;
}

/** Such a request, and until when it holds. */
export interface ExpiringPart {
  part: SignedPart;
  /** By the clock of `performance.now`. */
  deadline: number;
}

/** URLs of an answer, by part number. */
export function parseSignedParts(urls: unknown): Map<number, ExpiringPart> {
  const now = performance.now();
  return new Map(
    listOfObjects(urls).map(({ partNumber, method, url, headers, fields, expiresIn }) => {
      if (typeof url !== "string" || (method !== "PUT" && method !== "POST")) throw unexpectedReply();
      const part: SignedPart = { method, url, headers: stringMap(headers) };
      if (method === "POST") part.fields = stringMap(fields);
      return [Number(partNumber), { part, deadline: now + Number(expiresIn) * 1000 }];
    }),
  );
}

/** That of one part; throws where the answer lacks it. */
export function partOf(parts: Map<number, ExpiringPart>, partNumber: number): ExpiringPart {
  const part = parts.get(partNumber);
  if (!part) throw unexpectedReply();
  return part;
}

/** A list of an answer, none where it is absent. */
export function listOfObjects(value: unknown): JsonObject[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw unexpectedReply();
  return value.map((entry: unknown) => {
    if (typeof entry !== "object" || entry === null) throw unexpectedReply();
    return entry as JsonObject;
  });
}

function stringMap(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, String(text)]));
}

/** Where the coordinator has an upload. */
export function uploadPath(uploadId: string): string {
  return `/v1/uploads/${encodeURIComponent(uploadId)}`;
}

/** Gives an upload up. One that is gone already, or finalized, is left as it is. */
export async function abortUpload(client: CoordinatorClient, uploadId: string): Promise<void> {
  try {
    await client.request({ method: "DELETE", path: uploadPath(uploadId) });
  } catch (error) {
    if (!(error instanceof UploadError) || (error.code !== "not_found" && error.code !== "upload_gone"))
      throw error;
  }
}
