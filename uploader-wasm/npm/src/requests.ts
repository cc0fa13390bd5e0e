/** What the page itself asks the coordinator, where no `Uploader` and its workers do. */
import { UploadError } from "./index.js";
import type { Failure } from "./messages.js";
import { checkToken, resolveEndpoint } from "./options.js";
import { PATIENCE, PATIENCE_FOR_COMPLETE } from "./patience.js";
import type { UploadErrorCode, UploaderOptions } from "./types.js";

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
  file_too_large: false,
  quota_exceeded: false,
  not_found: false,
  upload_gone: false,
  parts_missing: false,
  part_size_mismatch: false,
  checksum_mismatch: false,
  conflict: false,
  rate_limited: true,
  storage_unavailable: true,
  internal: true,
};

/** A JSON object of somebody else's. */
export type Json = Record<string, unknown>;

/** A request. It has to be one that may be repeated. */
export interface Question {
  method: "GET" | "POST" | "DELETE";
  /** After the endpoint. */
  path: string;
  body?: unknown;
  /** Makes an initiate one that may be repeated. */
  idempotencyKey?: string;
  /** Whether storage may take minutes for it. */
  isSlow?: boolean;
  signal?: AbortSignal | null;
}

/** The coordinator, asked with the page's token. */
export class Requests {
  /** Absolute, without a slash at its end. */
  readonly endpoint: string;
  #source: UploaderOptions["token"];
  /** Kept until the coordinator no longer takes it. */
  #known: string | undefined;
  #pending: Promise<string> | undefined;

  /** Asks for nothing yet. Throws a `TypeError` on options that cannot be used. */
  constructor({ endpoint, token }: Pick<UploaderOptions, "endpoint" | "token">) {
    checkToken(token);
    this.endpoint = resolveEndpoint(endpoint);
    this.#source = token;
  }

  /**
   * The answer. A token that is no longer taken is replaced once. Rejects with an `UploadError`, with the code `aborted`
   * where the signal fired.
   */
  async ask(question: Question): Promise<Json> {
    const first = await this.#giveToken();
    let answer = await exchange(this.endpoint, question, first);
    if (answer.status === 401) {
      const second = await this.#giveToken(first);
      if (second !== first) answer = await exchange(this.endpoint, question, second);
    }
    if (answer.status !== 200) throw refusal(answer);
    if (!answer.json) throw unknownAnswer();
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

/** How long the coordinator wants to be left alone after an error of its own, in ms. */
export const waits = new WeakMap<UploadError, number>();

/** What a problem of the coordinator's inside an answer means. */
export function problem(json: unknown): UploadError {
  const found = typeof json === "object" && json !== null ? (json as Json) : undefined;
  return refusal({ status: typeof found?.status === "number" ? found.status : 200, json: found });
}

/** An answer that the coordinator does not give, by our knowledge. */
export function unknownAnswer(): UploadError {
  return violation("the coordinator's answer is none that is known");
}

/** What is not as the coordinator has it, by our knowledge. */
export function violation(message: string): UploadError {
  return new UploadError({ code: "protocol_violation", message, retryable: false });
}

interface Answer {
  status: number;
  /** Where the answer is a JSON object. */
  json: Json | undefined;
}

async function askFor(source: UploaderOptions["token"]): Promise<string> {
  try {
    return String(typeof source === "function" ? await source() : source);
  } catch (cause) {
    // As `fetch` does without a network.
    if (cause instanceof TypeError) throw unreachable("no network to get a token over", cause);
    const failure = { code: "unauthenticated", message: "the page gave no token", retryable: false } as const;
    throw new UploadError(failure, { cause });
  }
}

async function exchange(endpoint: string, question: Question, token: string): Promise<Answer> {
  const { method, path, body, idempotencyKey, isSlow, signal } = question;
  // Not `AbortSignal.any`, which Safari has since 17.4 only.
  const deadline = new AbortController();
  const giveUp = () => deadline.abort();
  const timer = setTimeout(giveUp, isSlow ? PATIENCE_FOR_COMPLETE : PATIENCE);
  signal?.addEventListener("abort", giveUp);
  if (signal?.aborted) giveUp();
  try {
    const headers = new Headers({ authorization: `Bearer ${token}`, accept: "application/json" });
    if (body !== undefined) headers.set("content-type", "application/json");
    if (idempotencyKey !== undefined) headers.set("idempotency-key", idempotencyKey);
    const reply = await fetch(endpoint + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      signal: deadline.signal,
    });
    return { status: reply.status, json: inJson(await reply.text()) };
  } catch (cause) {
    if (signal?.aborted) throw aborted(signal);
    throw unreachable("the coordinator cannot be reached", cause);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", giveUp);
  }
}

/** What a reply other than 200 means: the coordinator's problem, or that of something before it. */
function refusal({ status, json }: Answer): UploadError {
  const code = json?.code as UploadErrorCode;
  const known = Object.hasOwn(RETRYABLE, code) ? RETRYABLE[code] : undefined;
  const retryable = known ?? (status === 408 || status === 425 || status === 429 || status >= 500);
  const text = (value: unknown) => (typeof value === "string" ? value : undefined);
  const failure: Failure =
    known === undefined
      ? {
          code: retryable ? "coordinator_unreachable" : "protocol_violation",
          message: `the coordinator answered ${status}`,
          retryable,
          status,
        }
      : { code, message: text(json?.detail) ?? code, retryable, requestId: text(json?.requestId), status };
  const error = new UploadError(failure);
  if (typeof json?.retryAfter === "number") waits.set(error, json.retryAfter * 1000);
  return error;
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

function unreachable(message: string, cause: unknown): UploadError {
  return new UploadError({ code: "coordinator_unreachable", message, retryable: true }, { cause });
}

/** Why a request ended whose signal fired. */
export function aborted(signal: AbortSignal): UploadError {
  const failure = { code: "aborted", message: "the request was given up", retryable: false } as const;
  return new UploadError(failure, { cause: signal.reason });
}
