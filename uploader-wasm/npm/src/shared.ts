/** The page's end of the worker that all pages of a site share. Loaded where the option `shared` is on. */
import type { ConductorOptions, FromConductor, ToConductor } from "./messages.js";
import { bodySource } from "./body-source.js";
import { callTokenSource } from "./options.js";
import { type FromShared, PROTOCOL, type ToShared } from "./shared/messages.js";
import type { UploaderOptions } from "./types.js";

/** Longest wait before `token()` is called again after it has failed, in ms. Source: own choice, as for the change feed. */
const MAX_TOKEN_DELAY = 30_000;

/** Longest wait for the worker's first word, in ms. Source: own choice; it has to fetch and compile the module. */
const WELCOME_TIMEOUT = 20_000;

/** Where messages to the conductor go. */
interface MessageTarget {
  postMessage(message: ToConductor): void;
}

/**
 * Connects the page to the worker that pages of its site share, which begins with the first of them. `onFailure` hears that it
 * is gone; `signal` ends the connection. Where it cannot be had (a browser without `SharedWorker`, a page with workers or a
 * module of its own, a script of another origin), a line in the log says why, and `startOwn` starts workers of the page's own.
 */
export async function connect(
  options: UploaderOptions,
  conductorOptions: ConductorOptions,
  signal: AbortSignal,
  onMessage: (message: FromConductor) => void,
  onFailure: (cause: unknown) => void,
  startOwn: () => Promise<MessageTarget>,
): Promise<MessageTarget> {
  const { createWorker, wasmModule, sharedWorkerUrl, wasmUrl } = options;
  const refuse = (reason: string) => {
    onMessage({ type: "log", level: "warn", message: `uploads are not shared: ${reason}` });
    return startOwn();
  };
  if (typeof SharedWorker !== "function") return refuse("the browser has no shared workers");
  if (createWorker || wasmModule) return refuse("createWorker and wasmModule make workers for one page");
  const token = await anyToken(options, signal);
  // The page was closed meanwhile.
  if (signal.aborted) return new Promise(() => {});
  if (token === undefined) return refuse("token() failed");
  // A page that follows another may begin late: where the browser can, the worker waits for it.
  type Settings = WorkerOptions & { extendedLifetime: boolean };
  let worker: SharedWorker;
  try {
    worker = sharedWorkerUrl
      ? new SharedWorker(sharedWorkerUrl, { type: "module", extendedLifetime: true } as Settings)
      : // Bundlers look for exactly this expression.
        new SharedWorker(new URL("./shared-worker.js", import.meta.url), {
          type: "module",
          extendedLifetime: true,
        } as Settings);
  } catch (cause) {
    return refuse(String(cause));
  }
  const { port } = worker;
  const post = (message: ToShared) => port.postMessage(message);
  const leave = () => post({ type: "leave" });
  signal.addEventListener("abort", leave);
  // One that crashes says nothing, and is asked in vain once.
  addEventListener("pagehide", ({ persisted }) => persisted || leave(), { signal });

  return new Promise((resolve) => {
    let isSettled = false;
    const settle = (target: MessageTarget | Promise<MessageTarget>) => {
      clearTimeout(timer);
      isSettled = true;
      resolve(target);
    };
    const giveUp = (reason: string) => {
      if (isSettled || signal.aborted) return;
      port.onmessage = null;
      leave();
      settle(refuse(reason));
    };
    const timer = setTimeout(() => giveUp("the shared worker does not answer"), WELCOME_TIMEOUT);
    worker.onerror = (event) => {
      event.preventDefault();
      giveUp("shared-worker.js cannot be loaded");
    };
    port.onmessage = ({ data }: MessageEvent<FromShared>) => {
      if (signal.aborted) return;
      switch (data.type) {
        case "welcome":
          return settle({ postMessage: post });
        case "refused":
          return giveUp(data.reason);
        case "crashed":
          return onFailure(data.message);
        default:
          return onMessage(data);
      }
    };
    const location = wasmUrl
      ? new URL(wasmUrl, document.baseURI)
      : new URL("./uploader.wasm", import.meta.url);
    post({
      type: "hello",
      protocol: PROTOCOL,
      token,
      options: { ...conductorOptions, bodies: options.bodies ?? bodySource() },
      wasmUrl: location.href,
    });
  });
}

/** A token of the page's, which says whose uploads it shares; `undefined` where there will be none. */
async function anyToken({ token }: UploaderOptions, signal: AbortSignal): Promise<string | undefined> {
  for (let delay = 1000; ; delay = Math.min(2 * delay, MAX_TOKEN_DELAY)) {
    try {
      return await callTokenSource(token);
    } catch (error) {
      if (signal.aborted || (error as { retryable?: unknown } | null)?.retryable === false) return undefined;
      // As in a conductor: libraries fail in their own ways without a network.
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
}
