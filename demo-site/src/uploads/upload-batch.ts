import { percent } from "../format.ts";
import { plural, integer, messages } from "../language/messages.ts";
import { control, copyTemplate, nameControls, markIfLong, showButtons, part, setText } from "../dom.ts";
import { RowSet } from "./row-set.ts";
import type { UploadRow } from "./upload-row.ts";

/** Uploads that were chosen together: counted, steered and folded away together. */
export class UploadBatch {
  readonly element = copyTemplate("batch-template");
  readonly rows: RowSet;
  readonly #title: () => string;
  readonly #list = part(this.element, "rows");
  readonly #fold = part(this.element, "fold");
  readonly #bar = part<HTMLProgressElement>(this.element, "bar");
  readonly #pause = control(this.element, "pause-batch");
  readonly #resume = control(this.element, "resume-batch");
  readonly #retry = control(this.element, "retry-batch");
  readonly #cancel = control(this.element, "abort-batch");
  #frame = 0;

  /** `title` says what the uploads have in common, in the page's language. */
  constructor(title: () => string) {
    this.#title = title;
    this.rows = new RowSet(() => {
      this.#frame ||= requestAnimationFrame(() => this.#show());
    });
    this.#fold.addEventListener("click", () => {
      const open = this.#fold.ariaExpanded === "true";
      this.#fold.ariaExpanded = String(!open);
      this.#list.hidden = open;
    });
    this.#pause.addEventListener("click", () => this.rows.pause());
    this.#resume.addEventListener("click", () => this.rows.resume());
    this.#retry.addEventListener("click", () => this.rows.retryFailed());
    this.#cancel.addEventListener("click", () => this.rows.cancel());
    this.#relabel();
  }

  append(rows: UploadRow[]): void {
    this.#list.append(...rows.map(({ element }) => element));
  }

  /** Says everything again, in the page's language. */
  relabel(): void {
    this.#relabel();
    this.#show();
  }

  #relabel(): void {
    const title = this.#title();
    setText(part(this.element, "title"), title);
    nameControls(this.element.firstElementChild as HTMLElement, title);
    this.#bar.ariaLabel = title;
    this.#list.ariaLabel = title;
  }

  #show(): void {
    this.#frame = 0;
    const { count, done, failed, ended, pausable, paused, loaded, total } = this.rows.counts;
    if (count === 0) return this.element.remove();
    const texts = messages();
    const figures = [plural(texts.uploadedOf, count, { done: integer(done) })];
    if (failed > 0) figures.push(plural(texts.failedCount, failed));
    if (ended < count) figures.push(percent(loaded, total));
    setText(part(this.element, "figures"), figures.join(" · "));
    this.element.dataset.state = ended < count ? "uploading" : failed > 0 ? "failed" : "available";
    // Empty files are there or not, like any others.
    this.#bar.max = total || count;
    this.#bar.value = total ? loaded : done;
    markIfLong(this.#list, count);
    showButtons(
      [
        [this.#pause, pausable > 0],
        [this.#resume, pausable === 0 && paused > 0],
        [this.#retry, failed > 0 && ended === count],
        [this.#cancel, ended < count],
      ],
      this.#fold,
    );
  }
}
