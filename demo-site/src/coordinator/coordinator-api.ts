import type { FileRecord } from "@syncsphere/uploader";
import type { GuestTokens } from "./guest-tokens.ts";
import { RequestError } from "./request-error.ts";

/** A page of the workspace's files; `nextCursor` leads to the next one. */
export interface FilePage {
  files: FileRecord[];
  nextCursor?: string;
}

/** The parts of the coordinator's HTTP API that this page reads itself. Failures are `RequestError` or network errors. */
export class CoordinatorApi {
  readonly #tokens: GuestTokens;

  constructor(tokens: GuestTokens) {
    this.#tokens = tokens;
  }

  /** Newest first; by name those whose names begin with `start`, where that is not empty. */
  async files(start: string, cursor?: string): Promise<FilePage> {
    const query = new URLSearchParams();
    if (start) query.set("name", start);
    if (cursor) query.set("cursor", cursor);
    return this.#get<FilePage>(`/v1/files?${query}`);
  }

  /** Sequence number of the workspace's newest change. */
  async newestChange(): Promise<number> {
    const { seq } = await this.#get<{ seq: number }>("/v1/changes?since=0&limit=1");
    return seq;
  }

  /** A short-lived address of the file's content that needs no token. */
  async contentUrl(fileId: string): Promise<string> {
    const { url } = await this.#get<{ url: string }>(contentPath(fileId));
    return url;
  }

  /** Gives up an upload, whoever is busy with it, and has storage freed. */
  async abortUpload(uploadId: string): Promise<void> {
    await this.#ask("DELETE", `/v1/uploads/${encodeURIComponent(uploadId)}`);
  }

  #get<T>(path: string): Promise<T> {
    return this.#ask<T>("GET", path);
  }

  async #ask<T>(method: string, path: string): Promise<T> {
    let response = await this.#request(method, path, await this.#tokens.current());
    if (response.status === 401) response = await this.#request(method, path, await this.#tokens.renew());
    if (!response.ok) throw await failure(response);
    return (await response.json()) as T;
  }

  #request(method: string, path: string, token: string): Promise<Response> {
    return fetch(path, {
      method,
      headers: { authorization: `Bearer ${token}`, accept: "application/json" },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
  }
}

/** Where a file's content is to be had, with a token. */
export function contentPath(fileId: string): string {
  return `/v1/files/${encodeURIComponent(fileId)}/content`;
}

// Source: own choice; a page of files is one query of the workspace's ledger.
const REQUEST_TIMEOUT_MS = 30_000;

/** Source: RFC 9457, with the coordinator's own `code`. */
async function failure(response: Response): Promise<RequestError> {
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  return new RequestError(
    problem.code ?? "internal",
    problem.detail ?? `The coordinator answered ${response.status}`,
  );
}
