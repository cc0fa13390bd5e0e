// The worker as the platform sees it: a few classes that pass every call on to the WebAssembly module beside them.
//
// A trap (a panic, say) leaves the module in the middle of what it did, so its memory is not to be trusted any more: before
// the next call the module starts anew, and every Durable Object is made anew in it, from its storage. The requests that were
// under way in it are answered with a problem, which clients repeat: nothing would wake them any more.
//
// Unwinding instead (`worker-build --panic-unwind`) takes a standard library that is built with it: nightly's `build-std`.
import { WorkerEntrypoint } from "cloudflare:workers";
// What wasm-bindgen makes of the crate; `cargo xtask build worker` bundles both.
import * as coordinator from "./index.js";

// Traps are rare and have to be understood from one line of the log.
Error.stackTraceLimit = 100;

/** The `worker` crate's own: `criticalError` once it panicked, `instanceId` counts how often the module was started. */
const state = coordinator.__worker_init_state();

function startAnewAfterTrap() {
  if (!state.criticalError) return;
  console.log("The WebAssembly module starts anew");
  coordinator.__wbg_reset_state();
  state.criticalError = false;
  state.instanceId += 1;
}

function noteTrap(error) {
  if (!(error instanceof WebAssembly.RuntimeError)) return;
  console.error("Critical", error);
  state.criticalError = true;
  for (const end of underWay) end();
}

/** Runs a call into the module. */
function run(call) {
  startAnewAfterTrap();
  try {
    return call();
  } catch (error) {
    noteTrap(error);
    throw error;
  }
}

// What traps after an `await` traps in a task of its own.
addEventListener("error", ({ error }) => noteTrap(error));

/** What ends the calls that are under way, one each. */
const underWay = new Set();

/** What comes of a call in whose time the module trapped. */
const TRAPPED = Symbol("trapped");

/** What comes of a call, whatever becomes of the module meanwhile: what waits in one that has trapped is never woken. */
async function outcome(call) {
  let end;
  // Told without a response: one can only be made within the request that it answers.
  const trapped = new Promise((resolve) => (end = () => resolve(TRAPPED)));
  underWay.add(end);
  try {
    return await Promise.race([run(call), trapped]);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) return TRAPPED;
    throw error;
  } finally {
    underWay.delete(end);
  }
}

/** For whoever tries again what has failed, as the platform does an alarm. */
async function outcomeOrError(call) {
  const done = await outcome(call);
  if (done === TRAPPED) throw new Error("the WebAssembly module trapped");
  return done;
}

/** Answers a request. */
async function answer(call) {
  try {
    const response = await outcome(call);
    return response === TRAPPED ? internalProblem() : response;
  } catch (error) {
    console.error(error);
    return internalProblem();
  }
}

/** The problem `internal` of docs/api.md; a page of any origin may read it, since it tells nothing of anybody. */
function internalProblem() {
  const requestId = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
  const problem = {
    type: "urn:syncsphere:problem:internal",
    title: "The coordinator failed",
    status: 500,
    code: "internal",
    detail: "the coordinator failed; the request may be repeated",
    requestId,
    retryAfter: 1,
  };
  const headers = {
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    "access-control-allow-origin": "*",
    "retry-after": "1",
    "x-request-id": requestId,
  };
  console.error(JSON.stringify({ requestId, status: 500, cause: "the WebAssembly module trapped" }));
  return new Response(JSON.stringify(problem), { status: 500, headers });
}

/** What answers requests, and what the clock starts. */
export default class extends WorkerEntrypoint {
  fetch(request) {
    return answer(() => coordinator.fetch(request, this.env, this.ctx));
  }

  scheduled(event) {
    return outcomeOrError(() => coordinator.scheduled(event, this.env, this.ctx));
  }
}

/** A workspace's Durable Object. */
export class WorkspaceObject {
  #given;
  #object;
  #madeIn;

  constructor(...given) {
    this.#given = given;
    this.#current();
  }

  /** A call of the worker's, which may be in another isolate and hear of a trap in this one by the answer alone. */
  async fetch(...given) {
    const response = await outcome(() => this.#current().fetch(...given));
    return response === TRAPPED ? new Response("the workspace failed", { status: 500 }) : response;
  }

  alarm(...given) {
    return outcomeOrError(() => this.#current().alarm(...given));
  }

  webSocketMessage(...given) {
    return run(() => this.#current().webSocketMessage(...given));
  }

  webSocketClose(...given) {
    return run(() => this.#current().webSocketClose(...given));
  }

  webSocketError(...given) {
    return run(() => this.#current().webSocketError(...given));
  }

  /** The object in the module as it runs now. */
  #current() {
    if (this.#madeIn !== state.instanceId || !this.#object) {
      this.#object = run(() => new coordinator.WorkspaceObject(...this.#given));
      this.#madeIn = state.instanceId;
    }
    return this.#object;
  }
}
