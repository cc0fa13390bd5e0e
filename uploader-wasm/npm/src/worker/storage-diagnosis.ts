import type { PlainResponse, Transport } from "../coordinator-fetch.js";
import type { ConductorOptions, ToPage } from "../messages.js";
import type { UploadErrorReason } from "../types.js";

/** Longest wait for an answer, in ms. Source: own choice; a busy network is no wrong set-up. */
const PROBE_TIMEOUT = 10_000;

/**
 * How long after a request has failed its violation of a policy may be told, in ms.
 *
 * Source: own choice; the event is queued when the request is stopped, and comes within one or two.
 */
const VIOLATION_EVENT_DELAY = 100;

/** The CRC64NVME of no bytes, which is not that of the byte sent. */
const CRC64NVME_OF_NOTHING = "AAAAAAAAAAA=";

/** The smallest part of a multipart upload, in bytes: whether that passes decides what can be done. Source: S3. */
const SMALLEST_PART = 5 * 1024 * 1024;

/** Nobody limits bodies to so few bytes. Source: own choice. */
const NO_LIMIT = 16_384;

/** Longest wait for the end of a large body, in ms. Source: own choice; slower lines are not judged. */
const BODY_TIMEOUT = 60_000;

/** What keeps the page from storage. */
export interface Finding {
  reason: Extract<
    UploadErrorReason,
    | "cors_missing"
    | "csp_blocked"
    | "unreachable"
    | "local_network_blocked"
    | "body_too_large"
    | "clock_skewed"
    | "wrong_region"
  >;
  /** With `body_too_large`: the largest body that passed, in bytes. */
  passes?: number;
  /** With `unreachable`: whether the browser would ask the person before it lets this page into a local network. */
  mayAsk?: boolean;
}

/**
 * Finds out why storage gives no answer that can be read. Browsers do not tell: a refusal by CORS, by a policy and
 * by the network look the same to the one who asked. What tells them apart is which other requests get through.
 */
export class StorageDiagnosis {
  #options: ConductorOptions;
  #transport: Transport;
  #post: (message: ToPage) => void;
  /** Addresses that a policy stopped requests to. */
  #blockedUrls: string[] = [];
  #lastReason: string | undefined;
  /** Findings and codes that a warning was given of. */
  #reported = new Set<string>();

  constructor(options: ConductorOptions, transport: Transport, post: (message: ToPage) => void) {
    this.#options = options;
    this.#transport = transport;
    this.#post = post;
    addEventListener("securitypolicyviolation", (event) => {
      const { disposition, blockedURI } = event as SecurityPolicyViolationEvent;
      if (disposition === "enforce") this.#blockedUrls.push(blockedURI);
    });
  }

  /** Why a request of this method to this presigned URL, with so many bytes, is not answered; `undefined` where nothing is wrong. */
  async examine(method: string, url: string, length: number): Promise<Finding | undefined> {
    const found = await this.#probe(method, url, length);
    const { reason, passes, mayAsk } = found ?? {};
    // Twice the same: that is worth a word, long before the outage is given up on.
    if (reason && reason === this.#lastReason && !this.#reported.has(reason)) {
      this.#reported.add(reason);
      const limit = passes ? `, ${length} bytes do not pass, ${passes} do` : "";
      const inside = mayAsk ? " (in a local network: #local_network_blocked)" : "";
      this.#warn(`storage: ${reason}${limit}, see docs/errors.md#${reason}${inside}`);
    }
    this.#lastReason = reason;
    return found;
  }

  /** The coordinator could not do what it was asked, and will be asked again for long: says why, once. */
  async coordinatorFailed(status: number, body: string): Promise<void> {
    const { code, requestId } = parseProblem(body);
    if (status < 500 || this.#reported.has(code)) return;
    this.#reported.add(code);
    // A request is not told what is wrong with the set-up; whoever asks for the coordinator's health is.
    const detail = await detailOf(await this.#health());
    this.#warn(`the coordinator answered ${status} ${code} (request ${requestId}): ${detail}`);
  }

  /** A part was stored whose ETag this page may not see: worth a word to developers, once. */
  etagHidden(): void {
    if (this.#reported.has("ETag")) return;
    this.#reported.add("ETag");
    this.#post({
      type: "log",
      level: "debug",
      message: "the bucket does not expose ETag; uploads do not need it",
    });
  }

  #health(): Promise<PlainResponse | undefined> {
    const { headers = {}, credentials, fetch: send = fetch } = this.#transport;
    const signal = AbortSignal.timeout(PROBE_TIMEOUT);
    return send(`${this.#options.endpoint}/healthz`, {
      headers,
      credentials,
      cache: "no-store",
      signal,
    }).catch(() => undefined);
  }

  #warn(message: string): void {
    this.#post({ type: "log", level: "warn", message });
  }

  async #probe(method: string, url: string, length: number): Promise<Finding | undefined> {
    const withChecksum = this.#options.integrity !== "none" && method === "PUT";
    const send = (size: number, to = url) => sendBytes(method, to, withChecksum, size);
    const [reached, probe, unsigned, health] = await Promise.all([
      isReached(url),
      send(1),
      send(1, url.split("?", 1)[0]),
      this.#health(),
    ]);
    if (probe === "answered") return findLimit(send, length);
    if (!reached) await new Promise((resolve) => setTimeout(resolve, VIOLATION_EVENT_DELAY));
    const origin = url.split("/", 3).join("/");
    if (this.#blockedUrls.some((address) => address.startsWith(origin))) return { reason: "csp_blocked" };
    // Storage that is down is nobody's wrong set-up, and who answers in its place knows no CORS rules; but for a region, which
    // the coordinator is told and no page.
    if (health?.status !== 200)
      return /S3_REGION/.test(await detailOf(health)) ? { reason: "wrong_region" } : undefined;
    if (!reached) {
      const states = await localNetworkPermissions();
      if (states.includes("denied")) return { reason: "local_network_blocked" };
      return { reason: "unreachable", mayAsk: states.includes("prompt") };
    }
    // R2 judges URLs when a browser asks for permission, and gives no reason that may be read.
    return { reason: probe === "refused" && unsigned === "sent" ? "clock_skewed" : "cors_missing" };
  }
}

/** Whether a body of `length` bytes does not get through though one byte does, and how much of it would. */
async function findLimit(
  send: (size: number) => Promise<ProbeOutcome>,
  length: number,
): Promise<Finding | undefined> {
  for (let passes = length; passes > NO_LIMIT;) {
    const outcome = await send(passes);
    // A slow line says nothing, and what is as large as the part and passes was stopped by something else.
    if (outcome === "late" || (outcome === "answered" && passes === length)) break;
    if (outcome === "answered") return { reason: "body_too_large", passes };
    const half = Math.floor(passes / 2);
    passes = passes > SMALLEST_PART ? Math.max(half, SMALLEST_PART) : half;
  }
  return undefined;
}

type ProbeOutcome =
  /** Readably, if only with an error. */
  | "answered"
  /** The browser got permission to send it, and no answer that may be read. */
  | "sent"
  | "refused"
  | "late";

/**
 * What becomes of a request that needs the same permissions as a part's. Its content are zeros, which neither a signature
 * nor a checksum fits, or a form without a policy.
 */
function sendBytes(method: string, url: string, withChecksum: boolean, size: number): Promise<ProbeOutcome> {
  const request = new XMLHttpRequest();
  let outcome: ProbeOutcome = "refused";
  // Somebody who listens to the upload makes the browser ask for permission first, for forms too, if there is content.
  request.upload.onprogress = () => (outcome = "sent");
  request.ontimeout = () => (outcome = "late");
  return new Promise((resolve) => {
    request.onloadend = () => resolve(request.status > 0 ? "answered" : outcome);
    request.open(method, url);
    request.timeout = size > 1 ? BODY_TIMEOUT : PROBE_TIMEOUT;
    if (withChecksum) request.setRequestHeader("x-amz-checksum-crc64nvme", CRC64NVME_OF_NOTHING);
    const body = new Blob([new Uint8Array(size)]);
    const form = new FormData();
    form.append("file", body);
    request.send(method === "POST" ? form : body);
  });
}

async function isReached(url: string): Promise<boolean> {
  const signal = AbortSignal.timeout(PROBE_TIMEOUT);
  const init = { method: "HEAD", mode: "no-cors", cache: "no-store", credentials: "omit", signal } as const;
  return fetch(url, init).then(
    () => true,
    () => false,
  );
}

/**
 * Whether the person has let this page into the local network. Only Chromium knows these permissions; the last is what
 * both were until version 145.
 *
 * Source: https://developer.chrome.com/blog/local-network-access
 */
function localNetworkPermissions(): Promise<string[]> {
  const ask = async (name: string) =>
    (await navigator.permissions.query({ name: name as PermissionName })).state;
  const names = ["local-network", "loopback-network", "local-network-access"];
  return Promise.all(names.map((name) => ask(name).catch(() => "")));
}

/** What the coordinator's health says is wrong. */
async function detailOf(health: PlainResponse | undefined): Promise<string> {
  return parseProblem((await health?.text().catch(() => "")) ?? "").detail;
}

/** What a problem document says, if it is one; nothing else gets into a log. */
function parseProblem(body: string): Record<"code" | "detail" | "requestId", string> {
  const found = { code: "", detail: "", requestId: "" };
  try {
    const problem = JSON.parse(body) as Partial<Record<string, unknown>>;
    for (const key of ["code", "detail", "requestId"] as const) {
      if (typeof problem[key] === "string") found[key] = problem[key].slice(0, 200);
    }
  } catch {
    // Somebody else's answer.
  }
  return found;
}
