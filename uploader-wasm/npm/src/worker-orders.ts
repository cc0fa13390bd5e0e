/** What a worker is told to do, and its answers. */
import type { UploadError } from "./errors.js";

/** What the worker says: one answer to each order, by its `id`, and before that what it `tells` of it. */
export type FromWorker<Answer, Failed, News = never> = { id: number } & (
  { type: "done"; answer: Answer } | { type: "failed"; failed: Failed } | { type: "news"; news: News }
);

/** The orders to one worker, which is this object's alone. */
export class WorkerOrders<Order, Answer, Failed, News = never> {
  #worker: Worker | undefined;
  /** Why there is no worker, once there is none. */
  #ended: unknown;
  #errorOf: (why: { failed: Failed } | { ended: unknown }) => UploadError;
  #lastId = 0;
  #pending = new Map<number, PendingOrder<Answer, News>>();

  /** `errorOf` gives what orders reject with: one that has failed, or all where the worker could not be made, or has ended. */
  constructor(make: () => Worker, errorOf: (why: { failed: Failed } | { ended: unknown }) => UploadError) {
    this.#errorOf = errorOf;
    let worker;
    try {
      worker = make();
    } catch (cause) {
      this.#ended = cause;
      return;
    }
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromWorker<Answer, Failed, News>>) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.end(event);
    };
  }

  ask(order: Order, onNews: (news: News) => void = () => {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (!this.#worker) return reject(this.#errorOf({ ended: this.#ended }));
      const id = ++this.#lastId;
      this.#pending.set(id, { resolve, reject, onNews });
      this.#worker.postMessage({ id, ...order });
    });
  }

  /** Ends the worker; orders that are not answered reject. */
  end(cause: unknown = "the worker has ended"): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#ended = cause;
    for (const { reject } of this.#pending.values()) reject(this.#errorOf({ ended: cause }));
    this.#pending.clear();
  }

  #receive(message: FromWorker<Answer, Failed, News>): void {
    const order = this.#pending.get(message.id);
    if (message.type === "news") return order?.onNews(message.news);
    this.#pending.delete(message.id);
    if (message.type === "done") order?.resolve(message.answer);
    else order?.reject(this.#errorOf({ failed: message.failed }));
  }
}

interface PendingOrder<Answer, News> {
  resolve(answer: Answer): void;
  reject(error: UploadError): void;
  onNews(news: News): void;
}
