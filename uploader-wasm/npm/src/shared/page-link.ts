import type { ToPage } from "../messages.js";
import type { FromShared } from "./messages.js";

/**
 * One page, as the shared worker sees it. A page numbers its own tasks, feeds and calls by 1, 2, 3; others' tasks have
 * the negative of our number there, so that the two never meet.
 */
export class PageLink {
  #port: MessagePort;
  /** Ours, by the page's. */
  #numbers = new Map<number, number>();
  /** The page's, by ours. */
  #ownNumbers = new Map<number, number>();

  constructor(port: MessagePort) {
    this.#port = port;
  }

  post(message: FromShared): void {
    this.#port.postMessage(message);
  }

  /** A number of the page's own now stands for this one of ours. */
  link(own: number, number: number): void {
    this.#numbers.set(own, number);
    this.#ownNumbers.set(number, own);
  }

  unlink(number: number): void {
    this.#numbers.delete(this.#ownNumbers.get(number) ?? 0);
    this.#ownNumbers.delete(number);
  }

  /** What the page calls a task. */
  ownNumber(number: number): number {
    return this.#ownNumbers.get(number) ?? -number;
  }

  /** Which task, feed or call the page means; `undefined` where it has ended. 0 means the engine as a whole. */
  number(own: number): number | undefined {
    return own > 0 ? this.#numbers.get(own) : -own;
  }

  /** Whether the page has begun it. */
  owns(number: number): boolean {
    return this.#ownNumbers.has(number);
  }

  /** Tells what concerns a task, by the page's number of it. */
  tell(message: Extract<ToPage, { task: number }>): void {
    this.post({ ...message, task: this.ownNumber(message.task) });
  }
}
