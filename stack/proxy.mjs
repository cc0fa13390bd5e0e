import { once } from "node:events";
import { Agent, createServer, request as httpRequest } from "node:http";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { finished, pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { unmarked, withoutChecksumHeaders, withoutChecksums } from "./blindness.mjs";

/**
 * A bad network in front of a real S3 server: put it between browser and storage (`S3_PUBLIC_ENDPOINT`), and it slows
 * down, refuses, breaks or holds chosen requests. What it is not told to spoil passes byte by byte, signatures
 * included: the `Host` header stays as the client sent it.
 *
 * With `keys` it can also stand for a storage that takes checksums and looks at none: while `blind` is set, the
 * coordinator has to speak to it as well.
 *
 * @param {{target: string, port?: number, keys?: {accessKeyId: string, secretAccessKey: string, region: string}}} options
 *   `target` is the S3 server's address
 */
export async function startProxy({ target, port = 0, keys }) {
  const proxy = new FaultProxy(new URL(target), keys);
  await proxy.listen(port);
  return proxy;
}

/**
 * What a fault rule is told of a request.
 * @typedef {{
 *   method: string, key: string, partNumber: number | null, uploadId: string | null,
 *   range: string | null, attempt: number, contentLength: number
 * }} Seen `attempt` counts from 1 for each method, key, part, range and length; `key` is the decoded path without the bucket
 *
 * What a fault rule may answer:
 * - `answer`: this status instead of storage's, after `afterBytes` of the body (default 0). With `cors: false` the
 *   browser may not see it, as where a load balancer answers in S3's place.
 * - `too-large`: 413 without CORS headers before any of the body is read, and the connection is closed, as by nginx whose
 *   `client_max_body_size` is passed.
 * - `reset`: the connection breaks after `afterBytes` of the body.
 * - `damage`: storage gets another first byte.
 * - `lose-answer`: storage gets the whole request, the client a broken connection.
 * - `cut`: the connection breaks after `afterBytes` of the answer's body.
 * - `damage-answer`: the answer's body comes with another byte in the place `at`.
 * - `hide`: it passes, and the answer comes without these headers, as through a proxy that drops them.
 * - `hold`: nothing moves until the promise is fulfilled, then it passes.
 * @typedef {{kind: "answer", status: number, code?: string, afterBytes?: number, headers?: Record<string, string>, cors?: boolean}
 *   | {kind: "reset", afterBytes?: number} | {kind: "damage"} | {kind: "too-large"} | {kind: "lose-answer"} | {kind: "cut", afterBytes: number}
 *   | {kind: "damage-answer", at: number} | {kind: "hide", headers: string[]} | {kind: "hold", until: Promise<unknown>}} Fault
 */
class FaultProxy {
  /** Bytes of request bodies read from clients so far. */
  bytesReceived = 0;
  /** Finished requests: `{...Seen, status, bytes}`, where the status 0 stands for a broken connection. */
  requests = [];
  /** Finished preflights. */
  preflights = 0;
  /** Requests under way. */
  open = 0;
  /** Whether checksums are kept from storage, and storage's from everybody. */
  blind = false;

  #target;
  #keys;
  #server = createServer((req, res) => void this.#serve(req, res));
  #agent = new Agent({ keepAlive: true });
  #sockets = new Set();
  #attempts = new Map();
  #port = 0;
  #rule = () => undefined;
  #delayMs = 0;
  #perConnection = Infinity;
  #total = new Pace(Infinity);
  #paces = new WeakMap();

  constructor(target, keys) {
    this.#target = target;
    this.#keys = keys;
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      socket.on("error", () => {}); // clients hang up
    });
  }

  get endpoint() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Of the finished requests the `PUT`s that storage took: parts, and files that went as one. */
  get storedPuts() {
    return this.requests.filter(({ method, status }) => method === "PUT" && status === 200);
  }

  /** @param {(seen: Seen) => Fault | undefined} rule asked once for each request but preflights */
  interfere(rule) {
    this.#rule = rule;
  }

  /**
   * Limits request bodies to these bytes a second, and holds each request back for `delayMs`; what is left out is
   * unlimited. Once `most` bytes have passed, the others wait until it is called again.
   */
  shape({ delayMs = 0, perConnection = Infinity, total = Infinity, most = Infinity } = {}) {
    this.#delayMs = delayMs;
    this.#perConnection = perConnection;
    this.#total.release();
    this.#total = new Pace(total, most);
    this.#paces = new WeakMap();
  }

  /** Passes everything at full speed, and forgets attempts and finished requests. */
  behave() {
    this.interfere(() => undefined);
    this.shape();
    this.#attempts.clear();
    this.requests.length = 0;
    this.preflights = 0;
  }

  /** Breaks all connections and accepts no new ones, until `resume()`. */
  async halt() {
    await new Promise((closed) => {
      this.#server.close(closed);
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  async resume() {
    await this.listen(this.#port);
  }

  async stop() {
    await this.halt();
    this.#agent.destroy();
  }

  async listen(port) {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = this.#server.address().port;
  }

  async #serve(req, res) {
    for (const stream of [req, res]) stream.on("error", () => {}); // clients hang up, and so do we
    const seen = this.#look(req);
    const record = { ...seen, status: 0, bytes: 0 };
    this.open += 1;
    res.once("close", () => {
      this.open -= 1;
      if (res.writableFinished) record.status = res.statusCode;
      if (seen.method === "OPTIONS") this.preflights += 1;
      else this.requests.push(record);
    });
    try {
      const fault = seen.method === "OPTIONS" ? undefined : this.#rule(seen);
      if (this.#delayMs > 0) await delay(this.#delayMs);
      if (fault?.kind === "hold") await fault.until;
      await this.#play(fault, req, res, record);
    } catch {
      res.destroy(); // the client hung up, or storage is not there: a broken connection either way
    }
  }

  async #play(fault, req, res, record) {
    const body = this.#paced(req, record);
    if (this.blind && !fault && req.method !== "OPTIONS") return this.#passBlindly(req, body, res);
    switch (fault?.kind) {
      case "answer":
        await swallow(body, fault.afterBytes ?? 0);
        // Node reads and drops what is left of the body, so that the client gets to see the answer.
        res.writeHead(fault.status, { ...(fault.cors === false ? {} : CORS), ...fault.headers });
        res.end(errorBody(fault.code ?? "ServiceUnavailable"));
        return;
      case "too-large":
        res.writeHead(413, { connection: "close" });
        res.end("<html><body><h1>413 Request Entity Too Large</h1></body></html>");
        return;
      case "reset":
        await swallow(body, fault.afterBytes ?? 0);
        req.socket.resetAndDestroy();
        return;
      case "lose-answer":
        await finished((await this.#forward(req, body)).resume());
        req.socket.resetAndDestroy();
        return;
      default: {
        const reply = await this.#forward(req, fault?.kind === "damage" ? damaged(body) : body);
        const hidden = fault?.kind === "hide" ? fault.headers : [];
        res.writeHead(reply.statusCode, without(reply.rawHeaders, hidden));
        await pipeline(reply, spoiled(fault), res);
      }
    }
  }

  async #forward(req, body) {
    const upstream = httpRequest({
      agent: this.#agent,
      host: this.#target.hostname,
      port: this.#target.port,
      method: req.method,
      path: req.url,
      headers: req.headers,
    });
    upstream.on("error", () => {}); // told by `once` below, unless storage had answered before
    pipeline(Readable.from(body), upstream).catch(() => {}); // shows as an error of `upstream`, unless it answered early
    const [reply] = await once(upstream, "response");
    return reply;
  }

  async #passBlindly(req, body, res) {
    const request = await withoutChecksums(req, await buffer(body), this.#keys);
    const upstream = httpRequest({
      agent: this.#agent,
      host: this.#target.hostname,
      port: this.#target.port,
      ...request,
    });
    upstream.end(request.body);
    const [reply] = await once(upstream, "response");
    const answer = await buffer(reply);
    const isText = /xml/.test(reply.headers["content-type"] ?? "") && req.method !== "HEAD";
    const told = isText ? Buffer.from(unmarked(answer.toString())) : answer;
    const headers = withoutChecksumHeaders(reply.rawHeaders);
    if (isText) {
      const at = headers.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === "content-length");
      if (at >= 0) headers[at + 1] = String(told.length);
    }
    res.writeHead(reply.statusCode, headers);
    res.end(told);
  }

  async *#paced(req, record) {
    for await (const chunk of req.iterator({ destroyOnReturn: false })) {
      for (let at = 0; at < chunk.length; at += SLICE) {
        const slice = chunk.subarray(at, at + SLICE);
        this.bytesReceived += slice.length;
        record.bytes += slice.length;
        await this.#paceOf(req.socket).take(slice.length);
        await this.#total.take(slice.length);
        yield slice;
      }
    }
  }

  #paceOf(socket) {
    let pace = this.#paces.get(socket);
    if (!pace) this.#paces.set(socket, (pace = new Pace(this.#perConnection)));
    return pace;
  }

  #look({ method, url, headers }) {
    const { pathname, searchParams } = new URL(url, this.#target);
    const key = decodeURIComponent(pathname.split("/").slice(2).join("/"));
    const partNumber = searchParams.has("partNumber") ? Number(searchParams.get("partNumber")) : null;
    const uploadId = searchParams.get("uploadId");
    // A look at whether the way is free is no attempt to send the part.
    const contentLength = Number(headers["content-length"] ?? 0);
    const range = headers.range ?? null;
    const name = `${method} ${key} ${uploadId} ${partNumber} ${range} ${contentLength}`;
    const attempt = (this.#attempts.get(name) ?? 0) + 1;
    this.#attempts.set(name, attempt);
    return {
      method,
      key,
      partNumber,
      uploadId,
      range,
      attempt,
      contentLength,
    };
  }
}

/** Lets no more than so many bytes a second pass, and until its release no more than so many at all, all callers together. */
class Pace {
  #perSecond;
  #left;
  #freeAt = 0;
  #released = Promise.withResolvers();

  constructor(perSecond, most = Infinity) {
    this.#perSecond = perSecond;
    this.#left = most;
  }

  release() {
    this.#released.resolve();
  }

  async take(bytes) {
    this.#left -= bytes;
    if (this.#left < 0) return await this.#released.promise;
    if (this.#perSecond === Infinity) return;
    const now = performance.now();
    this.#freeAt = Math.max(this.#freeAt, now) + (bytes / this.#perSecond) * 1000;
    if (this.#freeAt - now > FINEST_WAIT_MS) await delay(this.#freeAt - now);
  }
}

// Small against a part, so that a limit feels even. Source: own choice, the size of the chunks that Node reads.
const SLICE = 64 * 1024;

// Shorter waits than this are gathered. Source: own choice, a few times the resolution of Node's timers.
const FINEST_WAIT_MS = 4;

const CORS = { "access-control-allow-origin": "*", "access-control-expose-headers": "*" };

/** What becomes of an answer's body. */
function spoiled(fault) {
  return async function* (body) {
    let passed = 0;
    for await (const chunk of body) {
      const at = fault?.kind === "damage-answer" ? fault.at - passed : -1;
      if (at >= 0 && at < chunk.length) chunk[at] ^= 1;
      const isCut = fault?.kind === "cut" && passed + chunk.length > fault.afterBytes;
      yield isCut ? chunk.subarray(0, fault.afterBytes - passed) : chunk;
      if (isCut) throw new Error("the answer is cut");
      passed += chunk.length;
    }
  };
}

/** Names and values in turn. */
function without(rawHeaders, names) {
  return rawHeaders.filter((_, i) => !names.includes(rawHeaders[i - (i % 2)].toLowerCase()));
}

async function* damaged(body) {
  let isDamaged = false;
  for await (const slice of body) {
    yield isDamaged ? slice : Buffer.concat([Buffer.from([slice[0] ^ 1]), slice.subarray(1)]);
    isDamaged = true;
  }
}

async function swallow(body, bytes) {
  if (bytes <= 0) return;
  let passed = 0;
  for await (const slice of body) {
    passed += slice.length;
    if (passed >= bytes) return;
  }
}

function errorBody(code) {
  return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;
}
