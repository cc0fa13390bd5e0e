import type { FileRecord } from "@syncsphere/uploader";
import type { CoordinatorApi, FilePage } from "./coordinator-api.ts";
import { FileRow } from "./file-row.ts";
import { byId, noteLength, setText } from "./page.ts";
import { sentence } from "./wording.ts";

/** The workspace's files on the page, newest first. */
export class FileList {
  readonly #api: CoordinatorApi;
  readonly #list = byId("file-list");
  readonly #note = byId("files-note");
  readonly #retry = byId("retry-files");
  readonly #more = byId("more-files");
  readonly #rows = new Map<string, FileRow>();
  #nextCursor: string | undefined;

  constructor(api: CoordinatorApi) {
    this.#api = api;
    this.#more.addEventListener("click", () => void this.#showMore());
  }

  /** Reads the newest files anew. */
  async reload(): Promise<void> {
    const page = await this.#api.files();
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#append(page);
    byId("files").ariaBusy = "false";
  }

  /** Takes a change of a file, known or not. */
  apply(record: FileRecord): void {
    const row = this.#rows.get(record.fileId);
    if (record.status === "deleted") {
      row?.element.remove();
      this.#rows.delete(record.fileId);
    } else if (row) {
      row.update(record);
    } else {
      this.#insert(record);
    }
    this.#noteLength();
  }

  /** Says why the list is not what it should be, and offers to `retry`. */
  fail(error: unknown, retry: () => void): void {
    setText(this.#note, sentence(error));
    this.#note.hidden = false;
    byId("files").ariaBusy = "false";
    this.#retry.hidden = false;
    this.#retry.onclick = () => {
      this.#retry.hidden = true;
      retry();
    };
  }

  async #showMore(): Promise<void> {
    const last = this.#list.lastElementChild;
    this.#more.hidden = true;
    try {
      this.#append(await this.#api.files(this.#nextCursor));
      (last?.nextElementSibling as HTMLElement | null)?.focus();
    } catch (error) {
      this.fail(error, () => void this.#showMore());
    }
  }

  #append({ files, nextCursor }: FilePage): void {
    const fresh = files.filter(({ fileId, status }) => !this.#rows.has(fileId) && status !== "deleted");
    this.#list.append(...fresh.map((record) => this.#row(record).element));
    this.#nextCursor = nextCursor;
    this.#more.hidden = nextCursor === undefined;
    this.#noteLength();
  }

  /** Changes mostly concern new files, so the right place is found from the top in a step or two. */
  #insert(record: FileRecord): void {
    let older = this.#list.firstElementChild;
    while (older && this.#createdAt(older) > record.createdAt) older = older.nextElementSibling;
    const belongsToLaterPage = older === null && this.#nextCursor !== undefined;
    if (!belongsToLaterPage) this.#list.insertBefore(this.#row(record).element, older);
  }

  #row(record: FileRecord): FileRow {
    const row = new FileRow(record, this.#api);
    this.#rows.set(record.fileId, row);
    return row;
  }

  #createdAt(element: Element): string {
    return this.#rows.get((element as HTMLElement).dataset.fileId ?? "")?.record.createdAt ?? "";
  }

  #noteLength(): void {
    noteLength(this.#list, this.#rows.size);
    this.#note.hidden = this.#rows.size > 0;
    setText(this.#note, "No files yet. What you upload shows up here at once, in every open window.");
  }
}
