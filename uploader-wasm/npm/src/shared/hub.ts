import type { FromConductor, ToConductor, ToPage, ToTask } from "../messages.js";
import { isFinal } from "../task-state.js";
import type { UploadElsewhere } from "../types.js";
import { identityOf } from "./identity.js";
import type { ToShared } from "./messages.js";
import { PageLink } from "./page-link.js";
import { Questions } from "./questions.js";

/** An upload that has not ended, for pages that come later. */
interface SharedTask {
  name: string;
  size: number;
  /** What was last told of it. */
  state?: ToTask;
  progress?: ToTask;
}

/**
 * Puts several pages before one conductor. Each page hears of all uploads and may give orders for each; the parts of an
 * upload and the engine's activity go to those that watch them; tokens come from whichever page lives.
 */
export class Hub {
  #identity: string;
  #conductor: (message: ToConductor) => void;
  #pages = new Set<PageLink>();
  #questions = new Questions<PageLink>();
  #tasks = new Map<number, SharedTask>();
  /** Feeds and calls, each of one page. */
  #owners = new Map<number, PageLink>();
  /** Who watches the parts of a task or, as 0, the engine. */
  #watchers = new Map<number, Set<PageLink>>();
  #closing = new Set<PageLink>();
  #elsewhere: UploadElsewhere[] = [];
  #lastNumber = 0;

  /** `identity` is that of the tokens of all its pages. */
  constructor(identity: string, conductor: (message: ToConductor) => void) {
    this.#identity = identity;
    this.#conductor = conductor;
  }

  /** A page has come: it hears what is under way. */
  join(page: PageLink): void {
    page.post({ type: "welcome" });
    this.#pages.add(page);
    for (const [task, { name, size, state, progress }] of this.#tasks) {
      page.tell({ type: "task", task, name, size });
      for (const told of [state, progress]) if (told) page.tell(told);
    }
    if (this.#elsewhere.length > 0) page.post({ type: "elsewhere", uploads: this.#elsewhere });
    this.#questions.join(page);
  }

  /** A page has gone; its uploads go on. */
  leave(page: PageLink): void {
    if (!this.#pages.delete(page)) return;
    this.#questions.leave(page);
    for (const subject of [...this.#watchers.keys()]) this.#unwatch(subject, page);
    for (const [number, owner] of this.#owners) {
      if (owner !== page) continue;
      this.#owners.delete(number);
      this.#conductor({ type: "unsubscribe", feed: number });
    }
  }

  /** A page has said something. */
  hear(page: PageLink, message: ToShared): void {
    switch (message.type) {
      case "hello":
        return;
      case "leave":
        return this.leave(page);
      case "close":
        // The page waits until what it leaves is written.
        this.#closing.add(page);
        return this.#conductor(message);
      case "add":
      case "restore":
        return this.#begin(page, message);
      case "subscribe": {
        const feed = this.#own(page, message.feed);
        return this.#conductor({ ...message, feed });
      }
      case "unsubscribe": {
        const feed = page.number(message.feed);
        if (feed === undefined) return;
        this.#disown(feed);
        return this.#conductor({ type: "unsubscribe", feed });
      }
      case "interrupted":
      case "reopen":
      case "discard":
        return this.#conductor({ ...message, id: this.#own(page, message.id) });
      case "token":
        return this.#takeToken(page, message);
      case "fetched":
        return this.#questions.settle("fetch", message.id) ? this.#conductor(message) : undefined;
      case "maxRate":
      case "network":
        return this.#conductor(message);
      default:
        return this.#order(page, message);
    }
  }

  /** The conductor has said something. */
  tell(message: FromConductor): void {
    switch (message.type) {
      case "closed":
        for (const page of this.#closing) {
          page.post(message);
          this.leave(page);
        }
        return this.#closing.clear();
      case "token":
      case "fetch":
        return this.#questions.ask(message);
      case "cancelFetch":
        return this.#questions.cancel(message.id);
      case "change":
      case "feedLive":
      case "feedFailed": {
        const page = this.#owners.get(message.feed);
        return page?.post({ ...message, feed: page.ownNumber(message.feed) });
      }
      case "answer": {
        const page = this.#owners.get(message.id);
        page?.post({ ...message, id: page.ownNumber(message.id) });
        return this.#disown(message.id);
      }
      case "activity":
        for (const page of this.#watchers.get(0) ?? []) page.post(message);
        return;
      case "elsewhere":
        this.#elsewhere = message.uploads;
        return this.#tellAll(message);
      case "log":
        return this.#tellAll(message);
      case "parts":
        for (const page of this.#watchers.get(message.task) ?? []) page.tell(message);
        return;
      default:
        return this.#tellOfTask(message);
    }
  }

  /** A page where somebody else has signed in meanwhile has to connect anew: nothing goes by another person's token. */
  #takeToken(page: PageLink, message: Extract<ToConductor, { type: "token" }>): void {
    if ("token" in message.answer && identityOf(message.answer.token) !== this.#identity) {
      page.post({ type: "crashed", message: "the token is another person's" });
      return this.leave(page);
    }
    if (this.#questions.settle("token", message.id)) this.#conductor(message);
  }

  #begin(page: PageLink, message: Extract<ToConductor, { type: "add" | "restore" }>): void {
    const task = ++this.#lastNumber;
    const { name } = message.description;
    const { size } = message.file;
    this.#tasks.set(task, { name, size });
    page.link(message.task, task);
    for (const other of this.#pages) if (other !== page) other.tell({ type: "task", task, name, size });
    this.#conductor({ ...message, task });
  }

  #order(
    page: PageLink,
    message: Extract<
      ToConductor,
      { type: "pause" | "resume" | "abort" | "prioritize" | "watch" | "unwatch" }
    >,
  ): void {
    const task = page.number(message.task);
    if (task === undefined) return;
    if (message.type === "unwatch") return this.#unwatch(task, page);
    if (message.type === "watch") {
      const watchers = this.#watchers.get(task) ?? new Set();
      this.#watchers.set(task, watchers.add(page));
    }
    this.#conductor({ ...message, task });
  }

  #unwatch(task: number, page: PageLink): void {
    const watchers = this.#watchers.get(task);
    if (!watchers?.delete(page) || watchers.size > 0) return;
    this.#watchers.delete(task);
    this.#conductor({ type: "unwatch", task });
  }

  #tellOfTask(message: Extract<ToPage, { task: number }>): void {
    const task = this.#tasks.get(message.task);
    if (message.type === "state" && task) task.state = message;
    if (message.type === "progress" && task) task.progress = message;
    for (const page of this.#pages) page.tell(message);
    const hasEnded =
      message.type === "available" ||
      message.type === "failed" ||
      (message.type === "state" && isFinal(message.state));
    if (!hasEnded) return;
    this.#tasks.delete(message.task);
    this.#watchers.delete(message.task);
    for (const page of this.#pages) page.unlink(message.task);
  }

  #tellAll(message: ToPage): void {
    for (const page of this.#pages) page.post(message);
  }

  /** A feed or a call of this page's, in a number that no other has. */
  #own(page: PageLink, own: number): number {
    const number = ++this.#lastNumber;
    page.link(own, number);
    this.#owners.set(number, page);
    return number;
  }

  #disown(number: number): void {
    this.#owners.get(number)?.unlink(number);
    this.#owners.delete(number);
  }
}
