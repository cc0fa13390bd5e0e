import { once } from "node:events";
import { Worker } from "node:worker_threads";

/**
 * Serves the peers' pages and what they need of a server (Uppy's Companion, Better Upload's routes, the floor's
 * signer) from one origin, in a thread of its own that ends with this process.
 *
 * @param {{s3: object, pages: string, folder: string}} options `folder` is for Companion's temporary files
 */
export async function startPeers(options) {
  const thread = new Worker(new URL("./peers-thread.mjs", import.meta.url), {
    workerData: options,
    // SeaweedFS refuses the checksum trailers that the SDK would send otherwise.
    env: { ...process.env, AWS_REQUEST_CHECKSUM_CALCULATION: "WHEN_REQUIRED", NODE_ENV: "development" },
    stdout: true,
    stderr: true,
  });
  thread.unref();
  thread.stdout.resume();
  let said = "";
  thread.stderr.on("data", (chunk) => (said = (said + chunk).slice(-2000)));
  const [listening] = await once(thread, "message");
  return {
    url: `http://127.0.0.1:${listening.port}`,
    /** The end of what the servers wrote on standard error. */
    complaints: () => said,
    stop: () => thread.terminate(),
  };
}
