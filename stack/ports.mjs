import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

// Below the range from which Linux (32768) and macOS (49152) take the ports of outgoing connections, so that
// none of those takes a port between our probe and its use.
// Source: /proc/sys/net/ipv4/ip_local_port_range, and sysctl net.inet.ip.portrange.first
const LOWEST = 20_000;
const HIGHEST = 32_000;

/**
 * `count` different TCP ports that were free on 127.0.0.1 a moment ago. Another process may still take one, so
 * the caller tries again with new ones where its server does not come up.
 */
export async function freePorts(count) {
  const held = [];
  try {
    while (held.length < count) {
      const server = await tryListen(randomInt(LOWEST, HIGHEST));
      if (server) held.push(server);
    }
    return held.map((server) => server.address().port);
  } finally {
    await Promise.all(held.map((server) => new Promise((done) => server.close(done))));
  }
}

async function tryListen(port) {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return server;
  } catch {
    return undefined;
  }
}
