import type { Uploader, UploadTask } from "@syncsphere/uploader";
import type { Announcer } from "../announcer.ts";
import { quotedName, shownName } from "../format.ts";
import type { SelectedFile, FolderFiles, FileReceiver } from "../selection/selected-file.ts";
import { plural, interpolate, messages } from "../language/messages.ts";
import { byId, markIfLong, showButtons, setText } from "../dom.ts";
import { RowSet } from "./row-set.ts";
import { UploadBatch } from "./upload-batch.ts";
import { UploadRow, type UploadSource } from "./upload-row.ts";

/** All uploads of this page; what was asked for last is at the top, beside where it came in. */
export class UploadList implements FileReceiver {
  /** Every row there is, in a batch or not. */
  readonly rows: RowSet;
  readonly #uploader: Uploader;
  readonly #announcer: Announcer;
  readonly #list = byId("upload-list");
  readonly #pause = byId("pause-all");
  readonly #resume = byId("resume-all");
  readonly #clear = byId("clear-finished");
  readonly #notice = byId("drop-notice");
  readonly #batches = new Set<UploadBatch>();
  #frame = 0;

  constructor(uploader: Uploader, announcer: Announcer) {
    this.#uploader = uploader;
    this.#announcer = announcer;
    this.rows = new RowSet(() => {
      this.#frame ||= requestAnimationFrame(() => this.#show());
    });
    this.#pause.addEventListener("click", () => this.rows.pause());
    this.#resume.addEventListener("click", () => this.rows.resume());
    this.#clear.addEventListener("click", () => this.#clearFinished());
  }

  /** Whether any upload has not ended. */
  get active(): boolean {
    const { count, ended } = this.rows.counts;
    return ended < count;
  }

  files(files: SelectedFile[]): void {
    this.#notice.hidden = true;
    if (files.length < SMALLEST_BATCH) {
      this.#prepend(files.map((file) => this.#row(this.#sourceOf(file), [this.rows])));
    } else {
      const batch = this.#batch(() => plural(messages().fileCount, files.length));
      void this.#fill(batch, files);
    }
  }

  folder(name: string, files: FolderFiles): void {
    this.#notice.hidden = true;
    const batch = this.#batch(() => shownName(name));
    void this.#fill(batch, files).then(({ found, unreadable }) => {
      const values = { name: quotedName(name) };
      if (unreadable > 0) this.#tell(() => plural(messages().unreadable, unreadable, values));
      else if (found === 0) this.#tell(() => interpolate(messages().emptyFolder, values));
    });
  }

  /** Shows an upload that goes on, from `file` where a person had to choose it. */
  follow(name: string, size: number, task: UploadTask, file?: File): void {
    const again = file && (() => this.#uploader.upload(file));
    this.#prepend([this.#row({ name, path: "", size, start: () => task, again }, [this.rows])]);
  }

  /** Says everything again, in the page's language. */
  relabel(): void {
    this.rows.relabel();
    for (const batch of this.#batches) batch.relabel();
    this.#notice.hidden = true;
  }

  #sourceOf({ content, name, path, size }: SelectedFile): UploadSource {
    const start = () => this.#uploader.upload(content, path ? { path } : {});
    // A folder's own name stands above its batch.
    const below = path.split("/").slice(1).join("/");
    return { name, path: below, size, start, again: start };
  }

  #row(source: UploadSource, sets: RowSet[]): UploadRow {
    return new UploadRow(source, sets, this.#announcer);
  }

  #prepend(rows: UploadRow[]): void {
    this.#list.prepend(...rows.map(({ element }) => element));
  }

  #batch(title: () => string): UploadBatch {
    const batch = new UploadBatch(title);
    this.#batches.add(batch);
    return batch;
  }

  /** Begins so many uploads at a time that the page stays at hand. */
  async #fill(batch: UploadBatch, files: FolderFiles): Promise<{ found: number; unreadable: number }> {
    let found = 0;
    let unreadable = 0;
    let next: SelectedFile[] = [];
    let since = performance.now();
    const begin = () => {
      batch.append(next.map((file) => this.#row(this.#sourceOf(file), [this.rows, batch.rows])));
      if (!batch.element.isConnected && next.length > 0) this.#list.prepend(batch.element);
      next = [];
    };
    for await (const file of files) {
      if (!file) {
        unreadable += 1;
        continue;
      }
      found += 1;
      next.push(file);
      if (next.length < AT_ONCE && performance.now() - since < LONGEST_WAIT_MS) continue;
      begin();
      await new Promise((resolve) => setTimeout(resolve));
      since = performance.now();
    }
    begin();
    return { found, unreadable };
  }

  #tell(text: () => string): void {
    setText(this.#notice, text());
    this.#notice.hidden = false;
    this.#announcer.answer(text());
  }

  #clearFinished(): void {
    this.rows.clearFinished();
    for (const batch of this.#batches) {
      if (batch.rows.counts.count === 0) this.#batches.delete(batch);
    }
  }

  #show(): void {
    this.#frame = 0;
    const { count, ended, pausable, paused } = this.rows.counts;
    byId("no-uploads").hidden = count > 0;
    markIfLong(this.#list, this.#list.childElementCount);
    showButtons(
      [
        [this.#pause, pausable > 0 && count > 1],
        [this.#resume, paused > 0 && count > 1],
        [this.#clear, ended > 0],
      ],
      byId("uploads-heading"),
    );
  }
}

// Source: own choice; up to here a list is read at a glance.
const SMALLEST_BATCH = 6;
// Source: own choice; so many rows are made within a few frames.
const AT_ONCE = 50;
// Source: own choice; uploads need not wait for a slow folder to be read through.
const LONGEST_WAIT_MS = 100;
