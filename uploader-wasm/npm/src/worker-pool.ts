/** Starts the workers: one conductor and its lanes. */
import { bodySource } from "./body-source.js";
import type { ConductorOptions, FromConductor, StartMessage, ToConductor, ToPage } from "./messages.js";
import type { UploaderOptions } from "./types.js";
import { compile } from "./compile.js";
import { createWorker, whyNotLoaded } from "./worker-script.js";

/** Longest wait for the conductor to write what is to be kept, in ms. Source: own choice. */
const CLOSE_TIMEOUT = 1000;

/** The workers of one `Uploader`. */
export interface WorkerPool {
  /** Messages arrive in the order posted, once the workers have started. */
  post(message: ToConductor): void;
  /** Ends all workers, once what is to be kept has been written. */
  close(): Promise<void>;
}

/**
 * Starts the workers. `onUnposted` is called for a message that cannot be copied to a worker. `onFailure` is called at most once, when a worker cannot start or has crashed; the
 * pool is unusable then.
 *
 * The page makes all workers itself: a worker that makes workers fails in older Safari.
 */
export function startWorkerPool(
  options: UploaderOptions,
  conductorOptions: ConductorOptions,
  onMessage: (message: ToPage) => void,
  onUnposted: (message: ToConductor, cause: unknown) => void,
  onFailure: (cause: unknown) => void,
): WorkerPool {
  const workers: Worker[] = [];
  let closed = false;
  let onClosed = () => {};
  const listeners = new AbortController();
  const receive = (message: FromConductor) => {
    if (message.type === "closed") onClosed();
    // What other pages begin meanwhile concerns a page no more that closes.
    else if (!closed) onMessage(message);
  };
  const endAll = () => {
    closed = true;
    listeners.abort();
    for (const worker of workers) worker.terminate();
  };
  const fail = (cause: unknown) => {
    if (closed) return;
    endAll();
    onFailure(cause);
  };
  const startWorker = () => {
    const worker = createWorker(options);
    workers.push(worker);
    worker.onerror = (event) => {
      event.preventDefault();
      if (event.message) fail(event.error ?? event.message);
      // A script that cannot be loaded has nothing to say.
      else void whyNotLoaded(options).then((why) => fail(why ?? event));
    };
    worker.onmessageerror = fail;
    return worker;
  };
  const start = async () => {
    const compiled = compile(options);
    // It is awaited below, unless a worker cannot be made; then its failure is of no interest.
    compiled.catch(() => {});
    const conductor = startWorker();
    const lanes = Array.from({ length: options.workers ?? defaultLanes() }, startWorker);
    conductor.onmessage = ({ data }: MessageEvent<FromConductor>) => receive(data);
    const module = await compiled;
    const bodies = options.bodies ?? bodySource();
    const ports = lanes.map((lane) => {
      const { port1, port2 } = new MessageChannel();
      const message: StartMessage = { type: "start", role: "lane", module, conductor: port2, bodies };
      lane.postMessage(message, [port2]);
      return port1;
    });
    const message: StartMessage = {
      type: "start",
      role: "conductor",
      module,
      lanes: ports,
      options: { ...conductorOptions, bodies },
    };
    conductor.postMessage(message, ports);
    return conductor;
  };

  const conductor = options.shared
    ? // Few pages need it.
      import("./shared.js").then(({ connect }) =>
        connect(options, conductorOptions, listeners.signal, receive, fail, start),
      )
    : start();
  conductor.catch(fail);
  const post = (message: ToConductor) =>
    void conductor.then(
      (worker) => {
        try {
          worker.postMessage(message);
        } catch (cause) {
          onUnposted(message, cause);
        }
      },
      () => {}, // told by `fail`
    );
  // The conductor listens too, but not every browser tells workers.
  for (const type of ["online", "offline"]) {
    const tell = () => post({ type: "network", online: type === "online" });
    globalThis.addEventListener?.(type, tell, { signal: listeners.signal });
  }
  return {
    post,
    async close() {
      closed = true;
      for (const lane of workers.slice(1)) lane.terminate();
      post({ type: "close" });
      await new Promise<void>((resolve) => {
        onClosed = resolve;
        setTimeout(resolve, CLOSE_TIMEOUT);
      });
      endAll();
    },
  };
}

/** Source: `docs/client.md`, measured with 1 to 6 lanes. */
function defaultLanes(): number {
  return Math.min(4, Math.max(2, navigator.hardwareConcurrency - 1 || 2));
}
