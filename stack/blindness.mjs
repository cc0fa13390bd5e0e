import { createHash, createHmac } from "node:crypto";

// What makes a proxy before real storage into a storage that takes checksums and looks at none, as older servers do:
// requests lose them and are signed anew, answers lose them too, and a form becomes the PUT of its file.

/**
 * A request without its checksums, signed by the keys' owner.
 *
 * @param {{method: string, url: string, headers: Record<string, string>}} request
 * @param {Buffer} body
 * @param {{accessKeyId: string, secretAccessKey: string, region: string}} keys
 */
export async function withoutChecksums(request, body, keys) {
  const url = new URL(request.url, "http://storage");
  const headers = { host: request.headers.host };
  for (const name of KEPT) if (request.headers[name]) headers[name] = request.headers[name];
  let { method } = request;
  const type = request.headers["content-type"] ?? "";
  if (method === "POST" && type.startsWith("multipart/form-data")) {
    const form = await new Response(body, { headers: { "content-type": type } }).formData();
    url.pathname += form.get("key").split("/").map(encodeURIComponent).join("/");
    headers["content-type"] = form.get("Content-Type");
    body = Buffer.from(await form.get("file").arrayBuffer());
    method = "PUT";
  } else if (method === "POST") {
    body = Buffer.from(unmarked(body.toString()));
  }
  for (const name of [...url.searchParams.keys()]) {
    if (/^x-amz-/i.test(name)) url.searchParams.delete(name);
  }
  headers["content-length"] = String(body.length);
  const path = url.pathname + query(url.searchParams, "?");
  return { method, path, headers: signed(method, url, headers, keys), body };
}

/** Headers of an answer, names and values in turn, without checksums. */
export function withoutChecksumHeaders(rawHeaders) {
  return rawHeaders.filter((_, i) => !/^x-amz-checksum-/i.test(rawHeaders[i - (i % 2)]));
}

/** XML without the elements that hold checksums. */
export function unmarked(xml) {
  return xml.replaceAll(/<(Checksum[A-Z]\w*)>[^<]*<\/\1>/g, "");
}

const KEPT = [
  "content-type",
  "range",
  "accept-encoding",
  "origin",
  "x-amz-copy-source",
  "x-amz-copy-source-range",
];

/** Source: the examples in AWS's description of Signature Version 4 in headers, with an unsigned body. */
function signed(method, url, headers, { accessKeyId, secretAccessKey, region }) {
  const moment = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const all = { ...headers, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": moment };
  const names = Object.keys(all)
    .filter((name) => name === "host" || name.startsWith("x-amz-"))
    .toSorted();
  const canonical = [
    method,
    url.pathname,
    query(url.searchParams, ""),
    ...names.map((name) => `${name}:${all[name].trim()}`),
    "",
    names.join(";"),
    "UNSIGNED-PAYLOAD",
  ].join("\n");
  const scope = [moment.slice(0, 8), region, "s3", "aws4_request"];
  const digest = createHash("sha256").update(canonical).digest("hex");
  const text = ["AWS4-HMAC-SHA256", moment, scope.join("/"), digest].join("\n");
  const hmac = (key, what) => createHmac("sha256", key).update(what).digest();
  const key = scope.reduce(hmac, `AWS4${secretAccessKey}`);
  const signature = hmac(key, text).toString("hex");
  const credential = `${accessKeyId}/${scope.join("/")}`;
  const fields = `Credential=${credential}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
  return { ...all, authorization: `AWS4-HMAC-SHA256 ${fields}` };
}

/** A query as signatures want it: sorted, and every sign encoded that has a meaning anywhere. */
function query(parameters, mark) {
  const encoded = (text) =>
    encodeURIComponent(text).replaceAll(
      /[!'()*]/g,
      (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  const pairs = [...parameters].map(([name, value]) => `${encoded(name)}=${encoded(value)}`).toSorted();
  return pairs.length > 0 ? mark + pairs.join("&") : "";
}
