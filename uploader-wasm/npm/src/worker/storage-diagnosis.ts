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

type UnreachableReason = Extract<UploadErrorReason, "cors_missing" | "csp_blocked" | "unreachable">;

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
  #lastFinding: UnreachableReason | undefined;
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

  /** Why a request of this method to this presigned URL is not answered; `undefined` where nothing is wrong. */
  async examine(method: string, url: string): Promise<UnreachableReason | undefined> {
    const found = await this.#probe(method, url);
    // Twice the same: that is worth a word, long before the outage is given up on.
    if (found && found === this.#lastFinding && !this.#reported.has(found)) {
      this.#reported.add(found);
      this.#warn(`storage: ${found}, see docs/errors.md#${found}`);
    }
    this.#lastFinding = found;
    return found;
  }

  /** The coordinator could not do what it was asked, and will be asked again for long: says why, once. */
  async coordinatorFailed(status: number, body: string): Promise<void> {
    const { code, requestId } = parseProblem(body);
    if (status < 500 || this.#reported.has(code)) return;
    this.#reported.add(code);
    // A request is not told what is wrong with the set-up; whoever asks for the coordinator's health is.
    const health = await this.#health();
    const { detail } = parseProblem((await health?.text().catch(() => "")) ?? "");
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

  async #probe(method: string, url: string): Promise<UnreachableReason | undefined> {
    const { integrity } = this.#options;
    const [reached, readable, health] = await Promise.all([
      isReached(url),
      isReadable(method, url, integrity !== "none" && method === "PUT"),
      this.#health(),
    ]);
    if (readable) return undefined;
    if (!reached) await new Promise((resolve) => setTimeout(resolve, VIOLATION_EVENT_DELAY));
    const origin = url.split("/", 3).join("/");
    if (this.#blockedUrls.some((address) => address.startsWith(origin))) return "csp_blocked";
    // Storage that is down is nobody's wrong set-up, and who answers in its place knows no CORS rules.
    if (health?.status !== 200) return undefined;
    return reached ? "cors_missing" : "unreachable";
  }
}

/**
 * Whether a request that needs the same permissions as a part's is answered readably. Its content is one byte, which
 * neither a signature nor a checksum fits, or a form without a policy.
 */
function isReadable(method: string, url: string, withChecksum: boolean): Promise<boolean> {
  const request = new XMLHttpRequest();
  // Somebody who listens to the upload makes the browser ask for permission first, for forms too, if there is content.
  request.upload.onprogress = () => {};
  return new Promise((resolve) => {
    request.onloadend = () => resolve(request.status > 0);
    request.open(method, url);
    request.timeout = PROBE_TIMEOUT;
    if (withChecksum) request.setRequestHeader("x-amz-checksum-crc64nvme", CRC64NVME_OF_NOTHING);
    const form = new FormData();
    form.append("file", "");
    request.send(method === "POST" ? form : new Blob([" "]));
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
