import { quotedName } from "./format.ts";
import { plural, interpolate, type PluralForms, messages } from "./language/messages.ts";

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
    this.#done.push(interpolate(messages().announceUploaded, { name: quotedName(name) }));
    this.#schedule();
  }

  failed(name: string, why: string): void {
    this.#failed.push(interpolate(messages().announceFailed, { name: quotedName(name), why }));
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
    const parts = [
      this.#answer,
      ...summed(this.#done, messages().announceManyUploaded),
      ...summed(this.#failed, messages().announceManyFailed),
    ];
    this.#region.textContent = parts.filter(Boolean).join(" ");
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

function summed(entries: string[], many: PluralForms): string[] {
  return entries.length > MOST_NAMED ? [plural(many, entries.length)] : entries;
}
