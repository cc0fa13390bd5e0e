/** The worker that reads files for their content indexes, and compares indexes. */
import { initSync } from "syncsphere_delta";
import module from "syncsphere_delta.wasm";

import { UploadError } from "../errors.js";
import { FAILURES } from "./failures.js";
import { indexFile } from "./index-file.js";
import type { DeltaAnswer, DeltaOrder, FromDeltaWorker, IndexNews, ToDeltaWorker } from "./messages.js";
import { planSegments } from "./plan-segments.js";

initSync({ module });

/** By the page's numbers. */
const runs = new Map<number, AbortController>();

/** One file at a time, so that memory is that of one; what nobody wants any more holds up nobody, even where its reading hangs. */
let turn: Promise<unknown> = Promise.resolve();

onmessage = async ({ data: { id, ...order } }: MessageEvent<ToDeltaWorker>) => {
  const post = (message: FromDeltaWorker) => postMessage(message);
  try {
    const answer = await carryOut(order, (news) => post({ id, type: "news", news }));
    post({ id, type: "done", answer });
  } catch (error) {
    const failed = error instanceof UploadError ? error : FAILURES.scripts;
    const { code, message, retryable } = failed;
    post({ id, type: "failed", failed: { code, message, retryable } });
  }
};

async function carryOut(order: DeltaOrder, tell: (news: IndexNews) => void): Promise<DeltaAnswer> {
  switch (order.type) {
    case "index":
      return { index: await index(order, tell) };
    case "cancel":
      runs.get(order.run)?.abort();
      return;
    case "plan":
      return { segments: planSegments(order.base, order.next) };
  }
}

async function index(
  { run, file, ...indexing }: Extract<DeltaOrder, { type: "index" }>,
  tell: (news: IndexNews) => void,
) {
  const end = new AbortController();
  runs.set(run, end);
  const index = turn.then(() => indexFile(file, indexing, end.signal, tell));
  const cancelled = new Promise((resolve) => end.signal.addEventListener("abort", resolve));
  turn = Promise.race([index.catch(() => {}), cancelled]);
  try {
    return await index;
  } finally {
    runs.delete(run);
  }
}
