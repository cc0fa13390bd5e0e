import { quotedName } from "./figures.ts";
import { counted, fill, type Forms, words } from "./language/words.ts";

/**
 * Tells users of screen readers how uploads end and what a search found, and nothing else: progress would never let them
 * read on. What happens close together is told in one message.
 */
export class Announcer {
  readonly #region: HTMLElement;
  #done: string[] = [];
  #failed: string[] = [];
  #answer = "";
  #timer: number | undefined;
  #quietUntil = 0;

  /** `region` is a polite live region of the page. */
  constructor(region: HTMLElement) {
    this.#region = region;
  }

  uploaded(name: string): void {
    this.#done.push(fill(words().announceUploaded, { name: quotedName(name) }));
    this.#schedule();
  }

  failed(name: string, why: string): void {
    this.#failed.push(fill(words().announceFailed, { name: quotedName(name), why }));
    this.#schedule();
  }

  /** Answers what a person has just done; a newer answer replaces one that was not told yet. */
  answer(text: string): void {
    this.#answer = text;
    this.#schedule();
  }

  #schedule(): void {
    const wait = Math.max(GATHER_MS, this.#quietUntil - Date.now());
    this.#timer ??= setTimeout(() => this.#speak(), wait);
  }

  #speak(): void {
    this.#timer = undefined;
    this.#quietUntil = Date.now() + PAUSE_MS;
    const messages = [
      this.#answer,
      ...summed(this.#done, words().announceManyUploaded),
      ...summed(this.#failed, words().announceManyFailed),
    ];
    this.#region.textContent = messages.filter(Boolean).join(" ");
    this.#answer = "";
    this.#done = [];
    this.#failed = [];
  }
}

// Source: own choice. Long enough to gather a batch of small files, short enough to feel like an answer.
const GATHER_MS = 500;
// Source: own choice. About the time that it takes to read out a message.
const PAUSE_MS = 5_000;
const MOST_NAMED = 2;

function summed(entries: string[], many: Forms): string[] {
  return entries.length > MOST_NAMED ? [counted(many, entries.length)] : entries;
}
