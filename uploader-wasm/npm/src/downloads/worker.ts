/** The worker that fetches a file's ranges and writes them: only workers may write in place, so that a crash leaves what was written. */
import { UploadError } from "../errors.js";
import { writePrivateText } from "../private-file-access.js";
import { writingFailure } from "./failures.js";
import { copyRange } from "./copy-range.js";
import { fetchRange } from "./fetch-range.js";
import type { DownloadOrder, FromDownloadWorker, RangeAnswer, ToDownloadWorker } from "./messages.js";
import { openTarget, type Target } from "./target.js";

let target: Target;
const end = new AbortController();
const underWay = new Set<Promise<unknown>>();

onmessage = async ({ data: { id, ...order } }: MessageEvent<ToDownloadWorker>) => {
  const post = (message: FromDownloadWorker) => postMessage(message);
  try {
    const answer = await carryOut(order, (news) => post({ id, type: "news", news }));
    post({ id, type: "done", answer });
  } catch (error) {
    const { code, message, retryable, status } = error instanceof UploadError ? error : writingFailure(error);
    post({ id, type: "failed", failed: { code, message, retryable, status } });
  }
};

async function carryOut(
  order: DownloadOrder,
  onReceived: (bytes: number) => void,
): Promise<RangeAnswer | undefined> {
  if (end.signal.aborted) throw new DOMException("the download has ended", "InvalidStateError");
  switch (order.type) {
    case "open":
      target = await openTarget(order.place, order.size);
      return;
    case "range":
      return finished(fetchRange(order, target, end.signal, onReceived));
    case "copy":
      return finished(copyRange(order, target, end.signal));
    case "note":
      await finished(writePrivateText(order.path, order.text));
      return;
    case "close":
      end.abort();
      await Promise.allSettled(underWay);
      await target.close(order.isProven);
  }
}

/** What has to be over before the file is closed. */
async function finished<T>(order: Promise<T>): Promise<T> {
  underWay.add(order);
  try {
    return await order;
  } finally {
    underWay.delete(order);
  }
}
