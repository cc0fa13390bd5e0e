import type { ToPage } from "../messages.js";

/** What only a page can do: give a token, and send requests by a `fetch` of its own. */
type Question = Extract<ToPage, { type: "token" | "fetch" }>;

/** A page that can be asked. */
interface Respondent {
  post(message: ToPage): void;
}

/**
 * After how long another page is asked, in ms. Source: own choice: a page that has crashed never answers, and one whose person is
 * logging in may take as long.
 */
const ANSWER_TIMEOUT = 30_000;

interface OpenQuestion<Page> {
  question: Question;
  asked?: Page;
  timer?: ReturnType<typeof setTimeout>;
}

/**
 * The questions that the conductor has for a page, each put to one page at a time: the newest, which is the one that a
 * person most likely looks at. Where that page goes or does not answer, another is asked; where there is none, the next one that
 * comes. The first answer counts.
 */
export class Questions<Page extends Respondent> {
  /** Who was asked last comes first. */
  #pages = new Set<Page>();
  #open = new Map<string, OpenQuestion<Page>>();

  join(page: Page): void {
    this.#pages.add(page);
    for (const key of this.#open.keys()) this.#put(key);
  }

  leave(page: Page): void {
    this.#pages.delete(page);
    for (const [key, { asked }] of this.#open) if (asked === page) this.#put(key);
  }

  ask(question: Question): void {
    const key = keyOf(question);
    this.#open.set(key, { question });
    this.#put(key);
  }

  /** Whether an answer to it is still wanted; it has been given then. */
  settle(type: Question["type"], id: number): boolean {
    const key = keyOf({ type, id });
    clearTimeout(this.#open.get(key)?.timer);
    return this.#open.delete(key);
  }

  /** Nobody wants to know any more. */
  cancel(id: number): void {
    this.#open.get(keyOf({ type: "fetch", id }))?.asked?.post({ type: "cancelFetch", id });
    this.settle("fetch", id);
  }

  #put(key: string): void {
    const open = this.#open.get(key);
    const page = [...this.#pages].pop();
    if (!open || page === open.asked) return;
    clearTimeout(open.timer);
    open.asked = page;
    if (!page) return;
    page.post(open.question);
    open.timer = setTimeout(() => this.#next(key, page), ANSWER_TIMEOUT);
  }

  /** A page that does not answer has its turn again after all others. */
  #next(key: string, silent: Page): void {
    if (this.#pages.delete(silent)) this.#pages = new Set([silent, ...this.#pages]);
    this.#put(key);
  }
}

function keyOf({ type, id }: Pick<Question, "type" | "id">): string {
  return type + id;
}
