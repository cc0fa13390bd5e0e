/** Starts the workers: one conductor and its lanes. */
import { bodySource } from "./bodies.js";
import type { ConductorOptions, FromConductor, Start, ToConductor, ToPage } from "./messages.js";
import type { UploaderOptions } from "./types.js";

/** Longest wait for the conductor to write what is to be kept, in ms. Source: own choice. */
const PATIENCE = 1000;

/** The workers of one `Uploader`. */
export interface Crew {
  /** Messages arrive in the order posted, once the workers have started. */
  post(message: ToConductor): void;
  /** Ends all workers, once what is to be kept has been written. */
  dismiss(): Promise<void>;
}

/**
 * Starts a crew. `onFailure` is called at most once, when a worker cannot start or has crashed; the
 * crew is of no use then.
 *
 * The page makes all workers itself: a worker that makes workers fails in older Safari.
 */
export function startCrew(
  options: UploaderOptions,
  conductorOptions: ConductorOptions,
  onMessage: (message: ToPage) => void,
  onFailure: (cause: unknown) => void,
): Crew {
  const workers: Worker[] = [];
  let dismissed = false;
  let onClosed = () => {};
  const listening = new AbortController();
  const endAll = () => {
    dismissed = true;
    listening.abort();
    for (const worker of workers) worker.terminate();
  };
  const fail = (cause: unknown) => {
    if (dismissed) return;
    endAll();
    onFailure(cause);
  };
  const hire = () => {
    const worker = createWorker(options);
    workers.push(worker);
    worker.onerror = (event) => {
      event.preventDefault();
      fail(event.error ?? event.message);
    };
    worker.onmessageerror = fail;
    return worker;
  };
  const start = async () => {
    const compiled = compile(options);
    // It is awaited below, unless a worker cannot be made; then its failure is of no interest.
    compiled.catch(() => {});
    const conductor = hire();
    const lanes = Array.from({ length: options.workers ?? defaultLanes() }, hire);
    conductor.onmessage = ({ data }: MessageEvent<FromConductor>) =>
      data.type === "closed" ? onClosed() : onMessage(data);
    const module = await compiled;
    const bodies = options.bodies ?? bodySource();
    const ports = lanes.map((lane) => {
      const { port1, port2 } = new MessageChannel();
      const order: Start = { type: "start", role: "lane", module, conductor: port2, bodies };
      lane.postMessage(order, [port2]);
      return port1;
    });
    const order: Start = {
      type: "start",
      role: "conductor",
      module,
      lanes: ports,
      options: conductorOptions,
    };
    conductor.postMessage(order, ports);
    return conductor;
  };

  const conductor = start();
  conductor.catch(fail);
  const post = (message: ToConductor) =>
    void conductor.then((worker) => worker.postMessage(message)).catch(fail);
  // The conductor listens too, but not every browser tells workers.
  for (const type of ["online", "offline"]) {
    const tell = () => post({ type: "network", online: type === "online" });
    globalThis.addEventListener?.(type, tell, { signal: listening.signal });
  }
  return {
    post,
    async dismiss() {
      dismissed = true;
      for (const lane of workers.slice(1)) lane.terminate();
      post({ type: "close" });
      await new Promise<void>((resolve) => {
        onClosed = resolve;
        setTimeout(resolve, PATIENCE);
      });
      endAll();
    },
  };
}

function createWorker({ createWorker, workerUrl }: UploaderOptions): Worker {
  if (createWorker) return createWorker();
  if (workerUrl) return new Worker(workerUrl, { type: "module" });
  // Bundlers look for exactly this expression.
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}

async function compile({ wasmModule, wasmUrl }: UploaderOptions): Promise<WebAssembly.Module> {
  if (wasmModule) return wasmModule;
  const response = await fetch(wasmUrl ?? new URL("./uploader.wasm", import.meta.url));
  if (!response.ok) throw new Error(`the .wasm file was answered with HTTP status ${response.status}`);
  // Streaming needs the right media type, which not every server sends.
  const copy = response.clone();
  try {
    return await WebAssembly.compileStreaming(response);
  } catch {
    return WebAssembly.compile(await copy.arrayBuffer());
  }
}

/** Source: `docs/client.md`, measured with 1 to 6 lanes. */
function defaultLanes(): number {
  return Math.min(4, Math.max(2, navigator.hardwareConcurrency - 1 || 2));
}
