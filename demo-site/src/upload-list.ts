import type { Uploader, UploadTask } from "@syncsphere/uploader";
import type { Announcer } from "./announcer.ts";
import { percent, speed, timeLeft } from "./figures.ts";
import { byId, noteLength, setText } from "./page.ts";
import { hasEnded } from "./progress-figures.ts";
import { type UploadFigures, UploadRow, type UploadRowEvents } from "./upload-row.ts";

/** All uploads of this page, in the order in which they were asked for, and the line that sums them up. */
export class UploadList {
  readonly #uploader: Uploader;
  readonly #list = byId("upload-list");
  readonly #summary = byId("upload-summary");
  readonly #total = byId("upload-total") as HTMLProgressElement;
  readonly #clear = byId("clear-finished");
  readonly #rows = new Set<UploadRow>();
  readonly #events: UploadRowEvents;
  readonly #sum = { count: 0, done: 0, ended: 0 };
  #frame = 0;

  constructor(uploader: Uploader, announcer: Announcer) {
    this.#uploader = uploader;
    this.#events = {
      changed: (before, after) => this.#recount(before, after),
      uploaded: (name) => announcer.uploaded(name),
      failed: (name, why) => announcer.failed(name, why),
    };
    this.#clear.addEventListener("click", () => this.#clearFinished());
    uploader.addEventListener("progress", () => this.#show());
  }

  /** Whether any upload has not ended. */
  get active(): boolean {
    return this.#sum.ended < this.#sum.count;
  }

  add(files: File[]): void {
    const rows = files.map((file) => this.#row(file.name, file.size, () => this.#uploader.upload(file)));
    this.#list.append(...rows.map((row) => row.element));
  }

  /** Shows an upload that `start` begins or takes up again. */
  follow(name: string, size: number, start: () => UploadTask): void {
    this.#list.append(this.#row(name, size, start).element);
  }

  #row(name: string, size: number, start: () => UploadTask): UploadRow {
    const row = new UploadRow(name, size, start, this.#events);
    this.#rows.add(row);
    this.#count(row.figures, 1);
    this.#show();
    return row;
  }

  #clearFinished(): void {
    for (const row of this.#rows) {
      if (!row.ended) continue;
      row.element.remove();
      this.#rows.delete(row);
      this.#count(row.figures, -1);
    }
    this.#show();
    byId("uploads-heading").focus();
  }

  #recount(before: UploadFigures, after: UploadFigures): void {
    this.#count(before, -1);
    this.#count(after, 1);
    this.#show();
  }

  #count({ state }: UploadFigures, times: 1 | -1): void {
    const ended = hasEnded(state);
    this.#sum.count += times;
    this.#sum.done += state === "available" ? times : 0;
    this.#sum.ended += ended ? times : 0;
  }

  /** Many rows change between two frames; the sum is shown once. */
  #show(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const { count, done, ended } = this.#sum;
      const { loaded, total, rate, etaSeconds } = this.#uploader.progress;
      this.#clear.hidden = ended === 0;
      this.#summary.hidden = count < 2;
      noteLength(this.#list, count);
      const pace = etaSeconds ? [percent(loaded, total), speed(rate), timeLeft(etaSeconds)] : [];
      setText(this.#summary, [`${done} of ${count} uploaded`, ...(ended < count ? pace : [])].join(" · "));
      this.#total.hidden = count < 2 || ended === count;
      this.#total.max = total || 1;
      this.#total.value = loaded;
    });
  }
}
