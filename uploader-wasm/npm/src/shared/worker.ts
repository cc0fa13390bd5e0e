/**
 * The script of the `SharedWorker`: conductor and lane in one worker, for all pages of a site. Only Firefox lets a shared
 * worker make others, and one lane reads faster than a network sends.
 */
import { initSync } from "syncsphere_uploader";

import { compile } from "../compile.js";
import type { ConductorOptions } from "../messages.js";
import { type PageEnd, startConductor } from "../worker/conductor.js";
import { startLane } from "../worker/lane.js";
import { Hub } from "./hub.js";
import { identityOf } from "./identity.js";
import { PROTOCOL, type ToShared } from "./messages.js";
import { PageLink } from "./page-link.js";

/** The engine's module, which the first page says where to find. */
let module: Promise<void> | undefined;
/** By what pages want and for whom: those that agree share their uploads. */
const hubs = new Map<string, Hub>();
/** Those that are there, and those that have crashed. */
const pages = new Set<PageLink>();

(globalThis as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = ({ ports }) => {
  const [port] = ports;
  if (!port) return;
  const page = new PageLink(port);
  pages.add(page);
  /** Messages wait for it, and stay in order. */
  let hub: Promise<Hub> | undefined;
  port.onmessage = ({ data }: MessageEvent<ToShared>) => {
    if (data.type === "hello") {
      hub = welcome(page, data);
      hub.catch(({ message }: Error) => {
        pages.delete(page);
        page.post({ type: "refused", reason: message });
      });
      return;
    }
    if (data.type === "leave") pages.delete(page);
    void hub?.then(
      (hub) => hub.hear(page, data),
      () => {}, // It was told.
    );
  };
};

async function welcome(page: PageLink, hello: Extract<ToShared, { type: "hello" }>): Promise<Hub> {
  const { protocol, options, token, wasmUrl } = hello;
  if (protocol !== PROTOCOL) throw new Error("a page with another version of the package shares them");
  module ??= load(wasmUrl);
  await module;
  // A limit may change at any time, and holds for all.
  const identity = identityOf(token);
  const wanted = identity + JSON.stringify({ ...options, maxRate: undefined });
  const hub = hubs.get(wanted) ?? startHub(options, identity);
  hubs.set(wanted, hub);
  hub.join(page);
  return hub;
}

async function load(wasmUrl: string): Promise<void> {
  try {
    initSync({ module: await compile({ wasmUrl }) });
  } catch (cause) {
    // The next page may know better.
    module = undefined;
    throw cause;
  }
}

function startHub(options: ConductorOptions, identity: string): Hub {
  const { port1, port2 } = new MessageChannel();
  startLane(port2, options.bodies ?? "file");
  const page: PageEnd = { postMessage: (message) => hub.tell(message), onmessage: null };
  const hub = new Hub(identity, (data) => page.onmessage?.(new MessageEvent("message", { data })));
  startConductor([port1], options, page);
  return hub;
}

/** After a trap the module is unusable: all pages hear of it, and the next one that comes makes another worker. */
function crash(message: string): void {
  for (const page of pages) page.post({ type: "crashed", message });
  close();
}

addEventListener("error", ({ message }) => crash(message));
addEventListener("unhandledrejection", ({ reason }) => crash(String(reason)));
