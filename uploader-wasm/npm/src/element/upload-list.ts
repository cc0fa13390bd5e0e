import type { UploadError } from "../index.js";
import type { FileRecord } from "../types.js";
import { make } from "./dom.js";
import { format, type UploadElementTexts } from "./labels.js";
import { languageOf, numberFormat } from "./languages.js";
import { UploadRow, type RowHost, type UploadSource } from "./row.js";

/** What the list needs of its element. */
export interface ListHost {
  texts(): UploadElementTexts;
  /** The files, or whether any upload is under way, may be others than before. */
  changed(): void;
  /** A person, or an upload that ended, has changed the files. */
  filesChanged(): void;
  ended(name: string, end: { file: FileRecord } | { error: UploadError }): void;
  /** An upload of an earlier page could not be taken up. */
  notContinued(name: string): void;
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

  /** Whether nothing is there but uploads of earlier pages. */
  get isEmpty(): boolean {
    return this.#rows.every((row) => row.isOffered);
  }

  /** How many files there are that are uploaded or on their way. */
  get count(): number {
    return this.#rows.filter((row) => row.file || row.isUnderWay).length;
  }

  get isUnderWay(): boolean {
    return this.#rows.some((row) => row.isUnderWay);
  }

  /** The files that are uploaded. */
  get files(): FileRecord[] {
    return this.#rows.flatMap(({ file }) => file ?? []);
  }

  /** Adds a row for an upload, or for a file that is there already. */
  add(from: UploadSource | { record: FileRecord }): UploadRow {
    const row = new UploadRow(this.#rowHost, from);
    row.disable(this.#disabled);
    this.#rows.push(row);
    this.element.append(row.element);
    row.drawPreview();
    this.#host.changed();
    return row;
  }

  /** Removes all rows, but for one; what is under way is aborted. What earlier pages left stays as it is. */
  clear(but?: UploadRow): void {
    for (const row of this.#rows.filter((one) => one !== but)) this.#remove(row);
  }

  /** Removes what earlier pages left from sight. */
  clearOffers(): void {
    for (const row of this.#rows.filter(({ isOffered }) => isOffered)) this.#remove(row);
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
    notContinued: (row, error) => {
      this.#host.notContinued(row.name);
      if (error.code === "not_interrupted") this.#remove(row);
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
  return numberFormat(host && languageOf(host), { style: "percent" });
}
