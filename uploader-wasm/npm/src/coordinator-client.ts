/** Requests that the page itself sends to the coordinator, where no `Uploader` and its workers do. */
import { callCoordinator, type CoordinatorCall, type Transport } from "./coordinator-fetch.js";
import { UploadError } from "./errors.js";
import type { Failure } from "./messages.js";
import { callTokenSource, checkToken, checkTransport, resolveEndpoint } from "./options.js";
import type { UploadErrorCode, UploaderOptions, WorkspaceOptions } from "./types.js";

/**
 * Longest reply that is looked at, in UTF-16 units.
 *
 * Source: coordinators without a limit of 1 MiB a page gave 1000 records with 32 KB of metadata: 37 MB, twice that escaped.
 */
const MAX_REPLY_LENGTH = 80 * 1024 * 1024;

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

/** A JSON object from outside, not validated. */
export type JsonObject = Record<string, unknown>;

/** A request. It has to be one that may be repeated. */
export interface CoordinatorRequest extends Omit<CoordinatorCall, "body"> {
  body?: unknown;
}

/** Sends requests to the coordinator with the page's token. */
export class CoordinatorClient {
  /** Absolute, without a slash at its end. */
  readonly endpoint: string;
  #tokenSource: UploaderOptions["token"];
  #transport: Transport;
  /** Kept until the coordinator refuses it. */
  #token: string | undefined;
  #pending: Promise<string> | undefined;

  /** Sends nothing yet. Throws a `TypeError` on options that cannot be used. */
  constructor(options: WorkspaceOptions) {
    const { endpoint, token } = options;
    checkToken(token);
    this.endpoint = resolveEndpoint(endpoint);
    this.#tokenSource = token;
    this.#transport = { ...checkTransport(options), fetch: options.fetch };
  }

  /**
   * The reply. A refused token is replaced once. Rejects with an `UploadError`, with the code `aborted`
   * where the signal fired.
   */
  async request(request: CoordinatorRequest): Promise<JsonObject> {
    const first = await this.#getToken();
    let reply = await send(this.endpoint, request, first, this.#transport);
    if (reply.status === 401) {
      const second = await this.#getToken(first);
      if (second !== first) reply = await send(this.endpoint, request, second, this.#transport);
    }
    if (reply.status !== 200) throw errorFromReply(reply);
    if (!reply.json) throw unexpectedReply();
    return reply.json;
  }

  /** A token other than `stale`, unless the page knows no other. Concurrent callers share one request. */
  #getToken(stale?: string): Promise<string> {
    if (this.#token !== undefined && this.#token !== stale) return Promise.resolve(this.#token);
    this.#pending ??= getToken(this.#tokenSource)
      .then((token) => (this.#token = token))
      .finally(() => (this.#pending = undefined));
    return this.#pending;
  }
}

/** The problem document that an error is of; `problem-details.ts` reads it. */
export const problems = new WeakMap<UploadError, JsonObject>();

/** The error for a problem document inside a reply. */
export function errorFromProblem(json: unknown): UploadError {
  const found = typeof json === "object" && json !== null ? (json as JsonObject) : undefined;
  return errorFromReply({ status: typeof found?.status === "number" ? found.status : 200, json: found });
}

/** The error for a reply that does not follow the API. */
export function unexpectedReply(): UploadError {
  return protocolViolation("the coordinator's reply does not follow its API");
}

/** The error for anything else that does not follow the API. */
export function protocolViolation(message: string): UploadError {
  return new UploadError({ code: "protocol_violation", message, retryable: false });
}

interface CoordinatorReply {
  status: number;
  /** Where the reply is a JSON object. */
  json: JsonObject | undefined;
}

async function getToken(source: UploaderOptions["token"]): Promise<string> {
  try {
    return await callTokenSource(source);
  } catch (cause) {
    // As `fetch` does without a network.
    if (cause instanceof TypeError) throw unreachableError("no network to get a token over", cause);
    const failure = { code: "unauthenticated", message: "the page gave no token", retryable: false } as const;
    throw new UploadError(failure, { cause });
  }
}

async function send(
  endpoint: string,
  { body, ...request }: CoordinatorRequest,
  token: string,
  transport: Transport,
): Promise<CoordinatorReply> {
  const { signal } = request;
  try {
    const json = body === undefined ? undefined : JSON.stringify(body);
    const { status, text } = await callCoordinator(endpoint, token, { ...request, body: json }, transport);
    return { status, json: parseObject(text) };
  } catch (cause) {
    if (signal?.aborted) throw abortedError(signal);
    throw unreachableError("the coordinator cannot be reached", cause);
  }
}

/** The error for a reply other than 200, from the coordinator or from something before it. */
function errorFromReply({ status, json }: CoordinatorReply): UploadError {
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
  if (json) problems.set(error, json);
  return error;
}

function parseObject(text: string): JsonObject | undefined {
  if (text.length > MAX_REPLY_LENGTH) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

function unreachableError(message: string, cause: unknown): UploadError {
  return new UploadError({ code: "coordinator_unreachable", message, retryable: true }, { cause });
}

/** Why a request ended whose signal fired. */
export function abortedError(signal: AbortSignal): UploadError {
  const failure = { code: "aborted", message: "the request was aborted", retryable: false } as const;
  return new UploadError(failure, { cause: signal.reason });
}
