import type { UploadError, UploadTask } from "../index.js";
import type { FileRecord } from "../types.js";
import { make } from "./dom.js";
import { format, type UploadElementTexts } from "./labels.js";
import { UploadRow, type RowHost } from "./row.js";

/** What the list needs of its element. */
export interface ListHost {
  texts(): UploadElementTexts;
  /** The files, or whether any upload is under way, may be others than before. */
  changed(): void;
  /** A person, or an upload that ended, has changed the files. */
  filesChanged(): void;
  ended(name: string, end: { file: FileRecord } | { error: UploadError }): void;
  /** Takes the keyboard where the row that had it goes away. */
  focus(): void;
}

/** The rows of the element, and the status line that tells screen readers how uploads end. */
export class UploadList {
  readonly element = make("ul", "list");
  readonly status = make("p", "unseen");
  #host: ListHost;
  #rows: UploadRow[] = [];
  /** What has ended since nothing was under way. */
  #ended: UploadRow[] = [];
  #disabled = false;
  #percentFormat: Intl.NumberFormat | undefined;

  constructor(host: ListHost) {
    this.#host = host;
    this.status.setAttribute("role", "status");
    this.element.setAttribute("role", "list"); // which WebKit takes away with `list-style: none`
  }

  get isEmpty(): boolean {
    return this.#rows.length === 0;
  }

  get isUnderWay(): boolean {
    return this.#rows.some((row) => row.isUnderWay);
  }

  /** The files that are uploaded. */
  get files(): FileRecord[] {
    return this.#rows.flatMap(({ file }) => file ?? []);
  }

  /** Adds a row for an upload, or for a file that is there already. */
  add(from: { name: string; start: () => UploadTask } | { file: FileRecord }): void {
    const row = new UploadRow(this.#rowHost, from);
    row.disable(this.#disabled);
    this.#rows.push(row);
    this.element.append(row.element);
    this.#host.changed();
  }

  /** Removes all rows; what is under way is aborted. */
  clear(): void {
    for (const row of [...this.#rows]) this.#remove(row);
  }

  disable(disabled: boolean): void {
    this.#disabled = disabled;
    for (const row of this.#rows) row.disable(disabled);
  }

  /** Shows every row again, in the texts of now. */
  render(): void {
    for (const row of this.#rows) row.show();
  }

  #rowHost: RowHost = {
    texts: () => this.#host.texts(),
    percent: (part) => (this.#percentFormat ??= percentFormat(this.element)).format(part),
    changed: () => this.#host.changed(),
    ended: (row, end) => this.#rowEnded(row, end),
    removed: (row) => {
      this.#remove(row);
      this.#host.focus();
      this.#host.filesChanged();
    },
  };

  #remove(row: UploadRow): void {
    this.#rows = this.#rows.filter((one) => one !== row);
    row.element.remove();
    if (row.isUnderWay) void row.task?.abort();
    this.#host.changed();
  }

  #rowEnded(row: UploadRow, end: { file: FileRecord } | { error: UploadError }): void {
    if (!this.#rows.includes(row)) return;
    if ("error" in end && end.error.code === "aborted") {
      const root = this.element.getRootNode() as ShadowRoot | HTMLElement;
      const hadFocus = "activeElement" in root && row.element.contains(root.activeElement);
      this.#remove(row);
      if (hadFocus) this.#host.focus();
      return;
    }
    this.#host.ended(row.name, end);
    this.#ended.push(row);
    this.#host.changed();
    if (row.file) this.#host.filesChanged();
    this.#announceResults();
  }

  /** Once for all that were under way together, so that nobody is talked over. */
  #announceResults(): void {
    if (this.isUnderWay) return;
    const ended = this.#ended.splice(0);
    const uploaded = ended.filter(({ file }) => file);
    const { allUploaded, uploaded: oneUploaded, notUploaded } = this.#host.texts();
    const [only] = ended;
    this.status.textContent =
      only && ended.length === 1
        ? format(only.file ? oneUploaded : notUploaded, { name: only.name })
        : format(allUploaded, { count: String(uploaded.length), total: String(ended.length) });
  }
}

/** In the language of the page around the element. */
function percentFormat(list: Element): Intl.NumberFormat {
  const { host } = list.getRootNode() as ShadowRoot;
  const language = host?.closest<HTMLElement>("[lang]")?.lang || undefined;
  try {
    return new Intl.NumberFormat(language, { style: "percent" });
  } catch {
    return new Intl.NumberFormat(undefined, { style: "percent" }); // `lang` may hold anything
  }
}
