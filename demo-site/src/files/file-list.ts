import type { FileRecord } from "@syncsphere/uploader";
import type { Announcer } from "../announcer.ts";
import type { CoordinatorApi, FilePage } from "../coordinator/coordinator-api.ts";
import { quotedName } from "../format.ts";
import { errorMessage } from "../language/error-message.ts";
import { plural, interpolate, messages } from "../language/messages.ts";
import { byId, markIfLong, setText } from "../dom.ts";
import { FileRow } from "./file-row.ts";
import { isBeforeByName, isNewer } from "./file-order.ts";

/** The workspace's files on the page, newest first, or by name those that are searched for. */
export class FileList {
  readonly #api: CoordinatorApi;
  readonly #announcer: Announcer;
  readonly #section = byId("files");
  readonly #list = byId("file-list");
  readonly #note = byId("files-note");
  readonly #retry = byId("retry-files");
  readonly #more = byId("more-files");
  readonly #rows = new Map<string, FileRow>();
  #start = "";
  #nextCursor: string | undefined;
  #problem: unknown;
  /** Counts what was asked for; an answer to an older question comes too late. */
  #asked = 0;

  constructor(api: CoordinatorApi, announcer: Announcer) {
    this.#api = api;
    this.#announcer = announcer;
    this.#more.addEventListener("click", () => void this.#showMore());
    this.#markIfLong();
  }

  /** Reads the first page anew. */
  async reload(): Promise<void> {
    const asked = ++this.#asked;
    const page = await this.#api.files(this.#start);
    if (asked !== this.#asked) return;
    this.#problem = undefined;
    this.#retry.hidden = true;
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#section.ariaBusy = "false";
    this.#append(page);
  }

  /** Shows only files whose names begin so, by name; all, by time, where `start` is empty. */
  async search(start: string): Promise<void> {
    const wanted = start.normalize("NFC"); // as the coordinator keeps names
    if (wanted === this.#start) return;
    this.#start = wanted;
    await this.#find();
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
    this.#markIfLong();
  }

  /** Says why the list is not what it should be, and offers to `retry`. */
  fail(error: unknown, retry: () => void): void {
    this.#problem = error;
    this.#section.ariaBusy = "false";
    this.#retry.hidden = false;
    this.#retry.onclick = () => {
      this.#retry.hidden = true;
      this.#problem = undefined;
      retry();
    };
    this.#markIfLong();
  }

  /** Says everything again, in the page's language. */
  relabel(): void {
    for (const row of this.#rows.values()) row.relabel();
    this.#markIfLong();
  }

  async #find(): Promise<void> {
    const start = this.#start;
    try {
      await this.reload();
    } catch (error) {
      if (start === this.#start) this.fail(error, () => void this.#find());
      return;
    }
    const { manyFilesFound, filesFound } = messages();
    const forms = this.#nextCursor ? manyFilesFound : filesFound;
    if (start && start === this.#start) this.#announcer.answer(plural(forms, this.#rows.size));
  }

  async #showMore(): Promise<void> {
    const last = this.#list.lastElementChild;
    const asked = this.#asked;
    this.#more.hidden = true;
    try {
      const page = await this.#api.files(this.#start, this.#nextCursor);
      if (asked !== this.#asked) return;
      this.#append(page);
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
    this.#markIfLong();
  }

  /** Changes mostly concern new files, so by time the right place is found from the top in a step or two. */
  #insert(record: FileRecord): void {
    if (!record.name.startsWith(this.#start)) return;
    const comesFirst = this.#start ? isBeforeByName : isNewer;
    let next = this.#list.firstElementChild;
    while (next && comesFirst(this.#recordOf(next), record)) next = next.nextElementSibling;
    const belongsToLaterPage = next === null && this.#nextCursor !== undefined;
    if (!belongsToLaterPage) this.#list.insertBefore(this.#row(record).element, next);
  }

  #row(record: FileRecord): FileRow {
    const row = new FileRow(record, this.#api);
    this.#rows.set(record.fileId, row);
    return row;
  }

  #recordOf(element: Element): FileRecord | undefined {
    return this.#rows.get((element as HTMLElement).dataset.fileId ?? "")?.record;
  }

  /** Says what there is to say about the list as a whole. */
  #markIfLong(): void {
    const { noFiles, noMatch, olderFiles, moreFiles, page } = messages();
    const empty = this.#start ? interpolate(noMatch, { start: quotedName(this.#start) }) : noFiles;
    const loading = this.#section.ariaBusy === "true";
    markIfLong(this.#list, this.#rows.size);
    this.#note.hidden = this.#rows.size > 0 && this.#problem === undefined;
    if (this.#problem !== undefined) setText(this.#note, errorMessage(this.#problem));
    else setText(this.#note, loading ? page.loadingFiles : empty);
    setText(this.#more, this.#start ? moreFiles : olderFiles);
  }
}
