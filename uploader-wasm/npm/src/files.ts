/** `@syncsphere/uploader/files`: the workspace's files, without an `Uploader` and its workers. */
import { UploadError } from "./index.js";
import type { Failure } from "./messages.js";
import { checkToken, resolveEndpoint } from "./options.js";
import type {
  ContentLink,
  FilePage,
  FileQuery,
  FileRecord,
  RequestOptions,
  UploadErrorCode,
  WorkspaceOptions,
} from "./types.js";

export type * from "./types.js";

/** Longest wait for an answer, in ms. Source: `PATIENCE` of `worker/coordinator.ts`. */
const PATIENCE = 60_000;

/**
 * Longest answer that is looked at, in UTF-16 units.
 *
 * Source: `docs/api.md`: 1000 records with 32 metadata entries of 64 and 1024 bytes come to 37 MB, twice that escaped.
 */
const LONGEST_ANSWER = 80 * 1024 * 1024;

/** Codes of the coordinator's problems, and whether asking again may help. Source: `protocol/src/problem.rs`. */
const RETRYABLE: Partial<Record<UploadErrorCode, boolean>> = {
  unauthenticated: false,
  forbidden: false,
  invalid_request: false,
  not_found: false,
  conflict: false,
  rate_limited: true,
  storage_unavailable: true,
  internal: true,
};

/**
 * The files of one workspace, as the coordinator knows them. Every method asks the coordinator once, and once more
 * with another token where it no longer takes the last one; rejects with an `UploadError`.
 */
export class Workspace {
  #endpoint: string;
  #source: WorkspaceOptions["token"];
  /** Kept until the coordinator no longer takes it. */
  #known: string | undefined;
  #pending: Promise<string> | undefined;

  /** Asks for nothing yet. Throws a `TypeError` on options that cannot be used. */
  constructor({ endpoint, token }: WorkspaceOptions) {
    checkToken(token);
    this.#endpoint = resolveEndpoint(endpoint);
    this.#source = token;
  }

  /** A page of the files. The next one has the same query and this one's `nextCursor` as `cursor`. */
  async files({ signal, ...query }: FileQuery = {}): Promise<FilePage> {
    const page = await this.#ask("GET", `/v1/files${inQuery(query)}`, signal);
    if (!Array.isArray(page.files)) throw violation();
    return page as unknown as FilePage;
  }

  /** All files from `cursor` on, page after page as the loop gets there. */
  async *allFiles(query: FileQuery = {}): AsyncGenerator<FileRecord, void, undefined> {
    let { cursor } = query;
    do {
      const page = await this.files({ ...query, cursor });
      yield* page.files;
      cursor = page.nextCursor;
    } while (cursor !== undefined);
  }

  /** One file, whatever its status. Rejects with `not_found`, also where it is another workspace's. */
  async file(fileId: string, { signal }: RequestOptions = {}): Promise<FileRecord> {
    return record(await this.#ask("GET", place(fileId), signal));
  }

  /**
   * Removes an available file, its content included, for everybody; needs the scope `files:write`. Gives its record,
   * `deleted`, again where it was deleted before. Rejects with `conflict` while it is uploading: abort that instead.
   */
  async deleteFile(fileId: string, { signal }: RequestOptions = {}): Promise<FileRecord> {
    return record(await this.#ask("DELETE", place(fileId), signal));
  }

  /**
   * A link to a file's content for a download, an `<img>` or a `<video>`. It lasts some minutes, so ask when it is
   * needed. Rejects with `conflict` while the file is uploading.
   */
  async content(fileId: string, { signal }: RequestOptions = {}): Promise<ContentLink> {
    const { url, expiresAt } = await this.#ask("GET", `${place(fileId)}/content`, signal);
    // Pages put it into links, where other schemes than these would run as scripts.
    if (typeof url !== "string" || !/^https?:\/\//.test(url)) throw violation();
    return { url, expiresAt: String(expiresAt) };
  }

  /** Sequence number of the newest change, for `Uploader.changes({ since })`; 0 where nothing ever happened. */
  async newest({ signal }: RequestOptions = {}): Promise<number> {
    const { seq } = await this.#ask("GET", "/v1/changes?since=0&limit=1", signal);
    if (typeof seq !== "number") throw violation();
    return seq;
  }

  async #ask(method: string, path: string, signal?: AbortSignal): Promise<Json> {
    const first = await this.#giveToken();
    let answer = await exchange(method, this.#endpoint + path, first, signal);
    if (answer.status === 401) {
      const second = await this.#giveToken(first);
      if (second !== first) answer = await exchange(method, this.#endpoint + path, second, signal);
    }
    if (answer.status !== 200) throw new UploadError(refusal(answer));
    if (!answer.json) throw violation();
    return answer.json;
  }

  /** A token other than `stale`, unless the page knows no other. Those who ask at the same time share the question. */
  #giveToken(stale?: string): Promise<string> {
    if (this.#known !== undefined && this.#known !== stale) return Promise.resolve(this.#known);
    this.#pending ??= askFor(this.#source)
      .then((token) => (this.#known = token))
      .finally(() => (this.#pending = undefined));
    return this.#pending;
  }
}

type Json = Record<string, unknown>;

interface Answer {
  status: number;
  /** Where the answer is a JSON object. */
  json: Json | undefined;
}

async function askFor(source: WorkspaceOptions["token"]): Promise<string> {
  try {
    return String(typeof source === "function" ? await source() : source);
  } catch (cause) {
    // As `fetch` does without a network.
    const isNetwork = cause instanceof TypeError;
    const failure: Failure = isNetwork
      ? { code: "coordinator_unreachable", message: "no network to get a token over", retryable: true }
      : { code: "unauthenticated", message: "the page gave no token", retryable: false };
    throw new UploadError(failure, { cause });
  }
}

async function exchange(method: string, url: string, token: string, signal?: AbortSignal): Promise<Answer> {
  // Not `AbortSignal.any`, which Safari has since 17.4 only.
  const deadline = new AbortController();
  const giveUp = () => deadline.abort();
  const timer = setTimeout(giveUp, PATIENCE);
  signal?.addEventListener("abort", giveUp);
  if (signal?.aborted) giveUp();
  try {
    const reply = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${token}`, accept: "application/json" },
      cache: "no-store",
      signal: deadline.signal,
    });
    return { status: reply.status, json: inJson(await reply.text()) };
  } catch (cause) {
    throw signal?.aborted
      ? new UploadError(
          { code: "aborted", message: "the request was given up", retryable: false },
          { cause: signal.reason },
        )
      : new UploadError(
          { code: "coordinator_unreachable", message: "the coordinator cannot be reached", retryable: true },
          { cause },
        );
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", giveUp);
  }
}

function inJson(text: string): Json | undefined {
  if (text.length > LONGEST_ANSWER) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

/** What a reply other than 200 means: the coordinator's problem, or that of something before it. */
function refusal({ status, json }: Answer): Failure {
  const code = json?.code as UploadErrorCode;
  const retryable = Object.hasOwn(RETRYABLE, code) ? RETRYABLE[code] : undefined;
  if (retryable === undefined) {
    const passes = status === 408 || status === 425 || status === 429 || status >= 500;
    return {
      code: passes ? "coordinator_unreachable" : "protocol_violation",
      message: `the coordinator answered ${status}`,
      retryable: passes,
      status,
    };
  }
  const text = (value: unknown) => (typeof value === "string" ? value : undefined);
  return { code, message: text(json?.detail) ?? code, retryable, requestId: text(json?.requestId), status };
}

function record(json: Json): FileRecord {
  if (typeof json.fileId !== "string") throw violation();
  return json as unknown as FileRecord;
}

function violation(): UploadError {
  return new UploadError({
    code: "protocol_violation",
    message: "the coordinator's answer is none that is known",
    retryable: false,
  });
}

function place(fileId: string): string {
  return `/v1/files/${encodeURIComponent(fileId)}`;
}

function inQuery(query: Omit<FileQuery, "signal">): string {
  const fields = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, value instanceof Date ? value.toISOString() : String(value)]);
  return fields.length > 0 ? `?${new URLSearchParams(fields)}` : "";
}
