/**
 * Tells users of screen readers how uploads end, and nothing else: progress would never let them read on. What happens
 * close together is told in one message.
 */
export class Announcer {
  readonly #region: HTMLElement;
  #done: string[] = [];
  #failed: string[] = [];
  #timer: number | undefined;
  #quietUntil = 0;

  /** `region` is a polite live region of the page. */
  constructor(region: HTMLElement) {
    this.#region = region;
  }

  uploaded(name: string): void {
    this.#done.push(name);
    this.#schedule();
  }

  failed(name: string, why: string): void {
    this.#failed.push(`${name} failed. ${why}`);
    this.#schedule();
  }

  #schedule(): void {
    const wait = Math.max(GATHER_MS, this.#quietUntil - Date.now());
    this.#timer ??= setTimeout(() => this.#speak(), wait);
  }

  #speak(): void {
    this.#timer = undefined;
    this.#quietUntil = Date.now() + PAUSE_MS;
    const messages = [...summed(this.#done, "uploads finished", (name) => `${name} uploaded.`)];
    messages.push(...summed(this.#failed, "uploads failed", (text) => text));
    this.#region.textContent = messages.join(" ");
    this.#done = [];
    this.#failed = [];
  }
}

// Source: own choice. Long enough to gather a batch of small files, short enough to feel like an answer.
const GATHER_MS = 500;
// Source: own choice. About the time that it takes to read out a message.
const PAUSE_MS = 5_000;
const MOST_NAMED = 2;

function summed(entries: string[], many: string, one: (entry: string) => string): string[] {
  return entries.length > MOST_NAMED ? [`${entries.length} ${many}.`] : entries.map(one);
}
