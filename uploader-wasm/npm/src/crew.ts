/** Starts the workers: one conductor and its lanes. */
import type { ConductorOptions, Start, ToConductor, ToPage } from "./messages.js";
import type { UploaderOptions } from "./types.js";

/** The workers of one `Uploader`. */
export interface Crew {
  /** Messages arrive in the order posted, once the workers have started. */
  post(message: ToConductor): void;
  /** Ends all workers at once. */
  dismiss(): void;
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
  const dismiss = () => {
    dismissed = true;
    for (const worker of workers) worker.terminate();
  };
  const fail = (cause: unknown) => {
    if (dismissed) return;
    dismiss();
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
    const conductor = hire();
    const lanes = Array.from({ length: options.workers ?? defaultLanes() }, hire);
    conductor.onmessage = (event: MessageEvent<ToPage>) => onMessage(event.data);
    const module = await compiled;
    const ports = lanes.map((lane) => {
      const { port1, port2 } = new MessageChannel();
      const order: Start = { type: "start", role: "lane", module, conductor: port2 };
      lane.postMessage(order, [port2]);
      return port1;
    });
    const order: Start = { type: "start", role: "conductor", module, lanes: ports, options: conductorOptions };
    conductor.postMessage(order, ports);
    return conductor;
  };

  const conductor = start();
  conductor.catch(fail);
  return {
    post: (message) => void conductor.then((worker) => worker.postMessage(message)).catch(fail),
    dismiss,
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
