import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Agent, createServer, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress, createGunzip, createGzip } from "node:zlib";

/**
 * What Cloudflare's edge does to what a worker asks for: put it between workerd and storage (`S3_ENDPOINT`).
 *
 * It overwrites `accept-encoding`, adds headers of its own, writes all names in lower case, drops `content-length: 0` and
 * cuts bodies into other pieces; replies that may be compressed are. A signature over any of that is refused by storage.
 * Where nobody answers it says so by a page of its own, status 521.
 *
 * Sources: https://github.com/backblaze-b2-samples/cloudflare-b2/pull/4 and https://github.com/mhart/aws4fetch/issues/39
 * on `accept-encoding`; https://developers.cloudflare.com/fundamentals/reference/http-headers/ on what is added;
 * https://github.com/rclone/rclone/issues/8137 on a `HEAD` without a length.
 *
 * @param {{target: string}} options `target` is the S3 server's address, or that of a proxy before it
 */
export async function startOutboundEdge({ target }) {
  return startEdge(target, {
    added: () => ({ "cf-worker": "example.com", "cf-ew-via": "15" }),
    // What the worker says does not count.
    takesGzip: () => true,
  });
}

/**
 * What Cloudflare's edge does to what comes to a worker: the client's address, a ray, and `accept-encoding: gzip, br`
 * whatever the client said; replies are compressed for clients that want it. WebSockets pass.
 *
 * @param {{target: string, port?: number, host?: string}} options `target` is the worker's address
 */
export async function startInboundEdge({ target, port, host }) {
  const rules = {
    added: (req) => ({
      "cf-connecting-ip": req.socket.remoteAddress.replace(/^::ffff:/, ""),
      "cf-ipcountry": "XX",
    }),
    takesGzip: (req) => takes(req, "gzip"),
  };
  return startEdge(target, rules, port, host);
}

function takes(req, encoding) {
  return (req.headers["accept-encoding"] ?? "").split(/[,;]/).some((part) => part.trim() === encoding);
}

async function startEdge(target, rules, port = 0, host = "127.0.0.1") {
  const edge = new Edge(new URL(target), rules);
  await edge.listen(port, host);
  return edge;
}

class Edge {
  /** Requests that passed, as they came and as they left: `{method, url, from, to}`, headers by name. */
  requests = [];

  #target;
  #rules;
  #server = createServer({ maxHeaderSize: LONGEST_HEADERS }, (req, res) => void this.#serve(req, res));
  // None is kept: one that its server closes under a request would look as if nobody were there.
  #agent = new Agent({ keepAlive: false });
  #sockets = new Set();

  constructor(target, rules) {
    this.#target = { host: target.hostname, port: target.port };
    this.#rules = rules;
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      socket.on("error", () => {}); // clients hang up
    });
    this.#server.on("upgrade", (req, socket, head) => this.#tunnel(req, socket, head));
  }

  get endpoint() {
    const { address, port } = this.#server.address();
    return `http://${address}:${port}`;
  }

  async listen(port, host) {
    this.#server.listen(port, host);
    await Promise.race([
      once(this.#server, "listening"),
      once(this.#server, "error").then(([error]) => Promise.reject(error)),
    ]);
  }

  async stop() {
    await new Promise((closed) => {
      this.#server.close(closed);
      for (const socket of this.#sockets) socket.destroy();
    });
    this.#agent.destroy();
  }

  async #serve(req, res) {
    for (const stream of [req, res]) stream.on("error", () => {}); // clients hang up, and so do we
    const headers = rewritten(req, this.#rules.added(req));
    this.#remember(req, headers);
    const { method, url: path } = req;
    const upstream = httpRequest({ ...this.#target, agent: this.#agent, method, path, headers });
    // Node would add one of these where there is no body.
    for (const name of ["content-length", "transfer-encoding"]) {
      if (!(name in headers)) upstream.removeHeader(name);
    }
    res.once("close", () => upstream.destroy());
    try {
      const answered = once(upstream, "response");
      answered.catch(() => {}); // told below, unless the body fails first
      pipeline(req, otherPieces(), upstream).catch(() => {}); // shows as an error of `upstream`, unless it answered early
      const [reply] = await answered;
      await this.#pass(req, reply, res);
    } catch {
      if (res.headersSent) return void res.destroy();
      res.writeHead(521, { "content-type": "text/plain; charset=UTF-8", "cf-ray": headers["cf-ray"] });
      res.end("error code: 521");
    }
  }

  async #pass(req, reply, res) {
    const headers = { ...reply.headers, server: "cloudflare", "cf-ray": ray() };
    delete headers.connection;
    delete headers["keep-alive"];
    delete headers["transfer-encoding"];
    const decompress = this.#decompress(req, headers);
    const isCompressed = this.#rules.takesGzip(req) && mayBeCompressed(reply);
    if (isCompressed) {
      // Of another length, which is not known yet, and the same only in meaning.
      delete headers["content-length"];
      headers.vary = [headers.vary, "accept-encoding"].filter(Boolean).join(", ");
      if (headers.etag?.startsWith('"')) headers.etag = `W/${headers.etag}`;
      if (req.method !== "HEAD") headers["content-encoding"] = "gzip";
    }
    res.writeHead(reply.statusCode, headers);
    res.flushHeaders();
    const stages = isCompressed && req.method !== "HEAD" ? [otherPieces(), createGzip()] : [otherPieces()];
    await pipeline(reply, ...decompress, ...stages, res);
  }

  /** What was compressed for the edge goes on as it was before to a client that takes no such thing. */
  #decompress(req, headers) {
    const decompressor = { gzip: createGunzip, br: createBrotliDecompress }[headers["content-encoding"]];
    if (!decompressor || takes(req, headers["content-encoding"])) return [];
    delete headers["content-encoding"];
    delete headers["content-length"];
    return req.method === "HEAD" ? [] : [decompressor()];
  }

  /** A connection that becomes something else passes byte by byte, after its headers. */
  #tunnel(req, socket, head) {
    const headers = {
      ...rewritten(req, this.#rules.added(req)),
      connection: "Upgrade",
      upgrade: req.headers.upgrade,
    };
    this.#remember(req, headers);
    const upstream = connect(this.#target, () => {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      upstream.write(`${req.method} ${req.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      upstream.write(head);
      upstream.pipe(socket);
      socket.pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    // What was said before is told yet.
    upstream.once("close", () => socket.destroySoon());
    socket.once("close", () => upstream.destroy());
  }

  #remember(req, headers) {
    this.requests.push({ method: req.method, url: req.url, from: req.headers, to: headers });
    if (this.requests.length > REMEMBERED) this.requests.shift();
  }
}

// Source: https://developers.cloudflare.com/workers/platform/limits/#request-and-response-limits
const LONGEST_HEADERS = 128 * 1024;

// Source: own choice, more than any test looks back.
const REMEMBERED = 1000;

/** The request's headers by name, as they leave: those that belong to the connection stay here. */
function rewritten(req, added) {
  const headers = { ...req.headers };
  for (const name of HOP_BY_HOP) delete headers[name];
  if (headers["content-length"] === "0") delete headers["content-length"];
  return {
    ...headers,
    "accept-encoding": "gzip, br",
    "cdn-loop": "cloudflare; loops=1; subreqs=1",
    "cf-ray": ray(),
    "cf-visitor": '{"scheme":"https"}',
    "x-forwarded-for": [req.headers["x-forwarded-for"], "203.0.113.1"].filter(Boolean).join(", "),
    "x-forwarded-proto": "https",
    ...added,
  };
}

// Source: RFC 9110, section 7.6.1
const HOP_BY_HOP = ["connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"];

function ray() {
  return `${randomBytes(8).toString("hex")}-FRA`;
}

/**
 * Whether the edge compresses a reply for whoever takes it: text of some length.
 * Source: https://developers.cloudflare.com/speed/optimization/content/compression/
 */
function mayBeCompressed(reply) {
  return (
    reply.statusCode === 200 &&
    !reply.headers["content-encoding"] &&
    !/no-transform/.test(reply.headers["cache-control"] ?? "") &&
    COMPRESSED.test(reply.headers["content-type"] ?? "") &&
    !(Number(reply.headers["content-length"]) < SHORTEST_COMPRESSED)
  );
}

const COMPRESSED =
  /^(text\/|application\/(json|xml|javascript|x-javascript|manifest\+json|wasm)\b|image\/svg)/;

// Source: the same page, for gzip.
const SHORTEST_COMPRESSED = 48;

/** The same bytes in other pieces than they came in. */
function otherPieces() {
  return new Transform({
    transform(chunk, _encoding, done) {
      const cut = Math.ceil(chunk.length / 3);
      this.push(chunk.subarray(0, cut));
      if (cut < chunk.length) this.push(chunk.subarray(cut));
      done();
    },
  });
}
