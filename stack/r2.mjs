import { once } from "node:events";
import { Agent, createServer, request as httpRequest } from "node:http";
import { pipeline } from "node:stream/promises";
import { buffer } from "node:stream/consumers";
import { ListPartsCommand } from "@aws-sdk/client-s3";

/**
 * A real S3 server with R2's manners: a proxy that refuses what R2 refuses, and answers as it does. What is left passes
 * byte by byte, signatures included. Its keys are the server's, to look at an upload's parts.
 *
 * - parts of one size but the last, which is not larger: `InvalidPart` at completion
 * - no forms (POST policies), and no headers of operations that R2 does not have: 501
 * - the region `auto`, or `us-east-1` for it
 * - URLs are judged at the preflight already; one that has run out is 403 `ExpiredRequest`, and no refusal has CORS headers
 * - a part that was sent twice is listed once, 1,000 a page, without checksums
 *
 * Sources, under https://developers.cloudflare.com/r2: objects/multipart-objects, api/s3/api, api/s3/presigned-urls,
 * api/error-codes, buckets/cors; and https://github.com/cloudflare/cloudflare-docs/pull/32436. That listed parts have no
 * checksums is SeaweedFS's manner, and the less of the two that R2 can have.
 *
 * @param {{endpoint: string, client: import("@aws-sdk/client-s3").S3Client, bucket: string}} s3 what `startSeaweed` gives
 * @returns the same for R2, to be given to `startCoordinator`; `requests` and `refused` tell what it was asked,
 *   `setClock(ms)` sets how far its clock is ahead of ours, `endUrls()` has all run out that were signed before this second
 */
export async function startR2(s3) {
  const r2 = new R2(s3);
  await r2.listen();
  return {
    ...s3,
    setClock: (ahead) => (r2.clockAhead = ahead),
    endUrls: () => (r2.urlsEnded = Date.now()),
    endpoint: r2.endpoint,
    region: "auto",
    provider: "r2",
    refused: r2.refused,
    stop: () => r2.stop(),
  };
}

class R2 {
  /** Codes of what was refused here, in order. */
  refused = [];
  /** How far its clock is ahead of ours, in ms. */
  clockAhead = 0;
  /** What was signed before has run out. */
  urlsEnded = 0;

  #s3;
  #target;
  #agent = new Agent({ keepAlive: true });
  #server = createServer((req, res) => void this.#serve(req, res));

  constructor(s3) {
    this.#s3 = s3;
    this.#target = new URL(s3.endpoint);
  }

  get endpoint() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  async listen() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  async stop() {
    const closed = new Promise((done) => this.#server.close(done));
    this.#server.closeAllConnections();
    await closed;
    this.#agent.destroy();
  }

  async #serve(req, res) {
    for (const stream of [req, res]) stream.on("error", () => {}); // clients hang up
    try {
      const url = new URL(req.url, this.#target);
      const refusal = refusalOf(req, url, Date.now() + this.clockAhead, this.urlsEnded);
      if (refusal) return this.#refuse(res, refusal);
      if (req.method === "GET" && url.searchParams.has("uploadId"))
        return await this.#listParts(req, url, res);
      if (req.method === "POST" && url.searchParams.has("uploadId"))
        return await this.#complete(req, url, res);
      await this.#answer(await this.#forward(req), res);
    } catch {
      res.destroy(); // the client hung up, or storage is not there: a broken connection either way
    }
  }

  async #complete(req, url, res) {
    const body = await buffer(req);
    const named = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map(
      ([, number]) => +number,
    );
    // Where there is no such upload, that is for the server to say.
    const parts = (await this.#partsOf(url).catch(() => [])).filter(({ PartNumber }) =>
      named.includes(PartNumber),
    );
    const sizes = parts.map(({ Size }) => Size);
    const last = sizes.pop();
    if (sizes.some((size) => size !== sizes[0]) || last > (sizes[0] ?? last)) {
      return this.#refuse(res, {
        status: 400,
        code: "InvalidPart",
        message: "All non-trailing parts must have the same length.",
      });
    }
    await this.#answer(await this.#forward(req, body), res);
  }

  /** The server judges the request; what it lists is told as R2 tells it. */
  async #listParts(req, url, res) {
    const judged = await this.#forward(req);
    if (judged.statusCode !== 200) return this.#answer(judged, res);
    judged.resume();
    const after = Number(url.searchParams.get("part-number-marker") ?? 0);
    const limit = Math.min(Number(url.searchParams.get("max-parts") ?? PARTS_PER_PAGE), PARTS_PER_PAGE);
    const parts = (await this.#partsOf(url)).filter(({ PartNumber }) => PartNumber > after);
    const page = parts.slice(0, limit);
    const fields = (names) =>
      Object.entries(names).map(([name, value]) => `<${name}>${escaped(String(value))}</${name}>`);
    const listed = page.map(({ PartNumber, LastModified, ETag, Size }) => {
      const part = { PartNumber, LastModified: LastModified.toISOString(), ETag, Size };
      return `<Part>${fields(part).join("")}</Part>`;
    });
    const isTruncated = parts.length > page.length;
    const head = fields({
      Bucket: this.#s3.bucket,
      Key: this.#keyOf(url),
      UploadId: url.searchParams.get("uploadId"),
      PartNumberMarker: after,
      ...(isTruncated && { NextPartNumberMarker: page.at(-1).PartNumber }),
      MaxParts: limit,
      IsTruncated: isTruncated,
      StorageClass: "STANDARD",
    });
    const xml =
      `<?xml version="1.0" encoding="UTF-8"?><ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
      `${head.join("")}${listed.join("")}</ListPartsResult>`;
    res.writeHead(200, { "content-type": "application/xml" }).end(xml);
  }

  /** What is stored of each part, the last sent of each, in order. */
  async #partsOf(url) {
    const latest = new Map();
    let marker;
    do {
      const page = await this.#s3.client.send(
        new ListPartsCommand({
          Bucket: this.#s3.bucket,
          Key: this.#keyOf(url),
          UploadId: url.searchParams.get("uploadId"),
          PartNumberMarker: marker,
        }),
      );
      for (const part of page.Parts ?? []) {
        const held = latest.get(part.PartNumber);
        if (!held || held.LastModified <= part.LastModified) latest.set(part.PartNumber, part);
      }
      marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    } while (marker);
    return [...latest.values()].sort((one, other) => one.PartNumber - other.PartNumber);
  }

  #keyOf(url) {
    return decodeURIComponent(url.pathname.split("/").slice(2).join("/"));
  }

  async #forward(req, body) {
    const { hostname: host, port } = this.#target;
    const { method, url: path, headers } = req;
    const upstream = httpRequest({ agent: this.#agent, host, port, method, path, headers });
    const answered = once(upstream, "response");
    answered.catch(() => {}); // told below, unless the body fails first
    if (body) upstream.end(body);
    else pipeline(req, upstream).catch(() => {}); // shows as an error of `upstream`, unless it answered early
    const [reply] = await answered;
    return reply;
  }

  async #answer(reply, res) {
    const headers = { ...reply.headers, server: "cloudflare" };
    if (reply.statusCode >= 400) {
      for (const name of Object.keys(headers)) {
        if (name.startsWith("access-control-")) delete headers[name];
      }
    }
    res.writeHead(reply.statusCode, headers);
    await pipeline(reply, res);
  }

  #refuse(res, { status, code, message }) {
    this.refused.push(code);
    res.writeHead(status, { "content-type": "application/xml", server: "cloudflare" });
    res.end(
      `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${escaped(message)}</Message></Error>`,
    );
  }
}

// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
const PARTS_PER_PAGE = 1000;

/** Why R2 would not even look at a request, if so. */
function refusalOf(req, url, now, urlsEnded) {
  const { searchParams: query } = url;
  const { method, headers } = req;
  if (query.has("X-Amz-Date") && (now > expiryOf(query) || signedAt(query) + 1000 < urlsEnded)) {
    return { status: 403, code: "ExpiredRequest", message: "Request has expired" };
  }
  if (method === "POST" && (headers["content-type"] ?? "").startsWith("multipart/form-data")) {
    return notImplemented("POST policies are not implemented");
  }
  const credential =
    query.get("X-Amz-Credential") ?? /Credential=([^,]+)/.exec(headers.authorization ?? "")?.[1] ?? "";
  const region = credential.split("/")[2];
  if (region !== undefined && !["auto", "us-east-1", ""].includes(region)) {
    return {
      status: 400,
      code: "InvalidRegionName",
      message: `The region name '${region}' is not valid. Must be one of: wnam, enam, weur, eeur, apac, auto`,
    };
  }
  const unknown = Object.keys(headers).find((name) => NOT_IMPLEMENTED.test(name));
  if (unknown) return notImplemented(`Header '${unknown}' is not implemented`);
  // A completion takes no conditions.
  if (method === "POST" && (headers["if-match"] || headers["if-none-match"])) {
    return notImplemented("Conditional completions are not implemented");
  }
  return undefined;
}

const NOT_IMPLEMENTED =
  /^x-amz-(copy-source-if-|acl$|grant-|tagging|request-payer$|expected-bucket-owner$|object-lock-|website-redirect-location$|mp-object-size$)/;

function notImplemented(message) {
  return { status: 501, code: "NotImplemented", message };
}

/** When a URL runs out, in milliseconds since 1970. */
function expiryOf(query) {
  return signedAt(query) + Number(query.get("X-Amz-Expires")) * 1000;
}

function signedAt(query) {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(query.get("X-Amz-Date"));
  const [year, month, day, hours, minutes, seconds] = parts.map(Number);
  return Date.UTC(year, month - 1, day, hours, minutes, seconds);
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
