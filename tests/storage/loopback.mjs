// Names below `localhost` mean this machine. Browsers know that and the system's resolver does not.
// Source: RFC 6761, section 6.3

import dns from "node:dns";

const { lookup } = dns;

dns.lookup = (name, options, done) => {
  const isOurs = name.endsWith(".localhost");
  return lookup(isOurs ? "127.0.0.1" : name, options, done);
};

/** The worker's options with which workerd, which asks the system, finds such names by us. */
export function throughNode(workerOptions) {
  const outboundService = async (request) => {
    const { method, url } = request;
    const headers = new Headers(request.headers);
    // They are about this connection, not the next one.
    for (const name of ["connection", "content-length", "expect", "transfer-encoding"]) headers.delete(name);
    const body = ["GET", "HEAD"].includes(method) ? new ArrayBuffer() : await request.arrayBuffer();
    return fetch(url, { method, headers, ...(body.byteLength > 0 && { body }), redirect: "manual" });
  };
  return { ...workerOptions, outboundService };
}
