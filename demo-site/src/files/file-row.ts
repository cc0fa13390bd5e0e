import type { FileRecord } from "@syncsphere/uploader";
import { type CoordinatorApi, contentPath } from "../coordinator/coordinator-api.ts";
import { download } from "./download.ts";
import { bytes, moment, shownName } from "../format.ts";
import { errorMessage } from "../language/error-message.ts";
import { integer, interpolate, messages } from "../language/messages.ts";
import { control, copyTemplate, part, setText, showName } from "../dom.ts";

/** One file of the workspace on the page. */
export class FileRow {
  readonly element = copyTemplate("file-template");
  readonly #api: CoordinatorApi;
  readonly #state = part(this.element, "state");
  readonly #size = part(this.element, "size");
  readonly #version = part(this.element, "version");
  readonly #conflict = part(this.element, "conflict");
  readonly #time = part<HTMLTimeElement>(this.element, "time");
  readonly #download = control<HTMLAnchorElement>(this.element, "download");
  readonly #problem = part(this.element, "problem");
  #record: FileRecord;

  constructor(record: FileRecord, api: CoordinatorApi) {
    this.#api = api;
    this.#record = record;
    const { name, path, fileId, createdAt } = record;
    this.element.dataset.name = name;
    this.element.dataset.fileId = fileId;
    showName(this.element, shownName(name), shownName(path));
    this.#time.dateTime = createdAt;
    for (const event of ["click", "auxclick"])
      this.#download.addEventListener(event, (click) => this.#fetch(click));
    this.relabel();
  }

  get record(): FileRecord {
    return this.#record;
  }

  /** Takes a record of the same file; an older one than that shown changes nothing. */
  update(record: FileRecord): void {
    if (record.seq <= this.#record.seq) return;
    this.#record = record;
    this.relabel();
  }

  /** Says everything again, in the page's language. */
  relabel(): void {
    const { status, size, fileId, createdAt, version = 1, conflict } = this.#record;
    const texts = messages();
    this.element.dataset.status = status;
    setText(this.#state, texts.statuses[status]);
    setText(this.#time, moment(createdAt));
    setText(this.#size, bytes(size));
    setText(this.#version, version > 1 ? interpolate(texts.version, { number: integer(version) }) : "");
    setText(this.#conflict, texts.conflict);
    this.#conflict.hidden = conflict === undefined;
    this.#download.hidden = status !== "available";
    this.#download.href = contentPath(fileId);
  }

  /** A link cannot carry the token, so the click asks for an address that needs none. */
  async #fetch(click: Event): Promise<void> {
    click.preventDefault();
    this.#problem.hidden = true;
    try {
      download(await this.#api.contentUrl(this.#record.fileId));
    } catch (error) {
      setText(this.#problem, errorMessage(error));
      this.#problem.hidden = false;
    }
  }
}
