import type { UploadError, UploadTask } from "../index.js";
import { isFinal } from "../task-state.js";
import type { FileRecord, TaskState } from "../types.js";
import { button, make } from "./dom.js";
import { format, type UploadElementTexts } from "./labels.js";
import { drawPreview } from "./preview.js";

/** What a row needs of its element. */
export interface RowHost {
  texts(): UploadElementTexts;
  /** Of 1. */
  percent(part: number): string;
  /** The row's file, or its state, is another. */
  changed(row: UploadRow): void;
  ended(row: UploadRow, end: { file: FileRecord } | { error: UploadError }): void;
  /** A person does not want the row any more. */
  removed(row: UploadRow): void;
  /** What was kept of the upload cannot be taken up from here. */
  notContinued(row: UploadRow, error: UploadError): void;
}

/** Where a row's upload comes from. */
export interface UploadSource {
  name: string;
  /** The file, where it is at hand, for a picture of it. */
  file?: Blob;
  /** What an earlier page left of it; nothing begins then before a person wants it. */
  kept?: { uploadId: string; part: number };
  /** Begins the upload, or goes on with what is kept of it. `undefined` where the person thinks better of it. */
  start(uploadId?: string): UploadTask | Promise<UploadTask | undefined>;
  /** Frees what is kept. */
  discard?(): Promise<void>;
}

/** One file in the element: on its way, uploaded, or offered to go on with. */
export class UploadRow {
  readonly element = make("li", "upload");
  readonly name: string;
  #host: RowHost;
  #source: UploadSource | undefined;
  /** The id of what is kept for another try. */
  #kept: string | undefined;
  #task: UploadTask | undefined;
  #file: FileRecord | undefined;
  #detail = make("span", "detail");
  #bar = make("progress", "progress");
  #pause = button("pause", () => this.#task?.pause());
  #resume = button("resume", () => this.#task?.resume());
  #abort = button("abort", () => void this.#task?.abort());
  #retry = button("retry", () => this.#startUpload());
  #continue = button("continue", () => this.#startUpload());
  #discard = button("discard", () => {
    this.#source?.discard?.().catch(() => {}); // another tab has it
    this.#host.removed(this);
  });
  #remove = button("remove", () => this.#host.removed(this));

  /** Begins an upload, or offers to go on with one; or shows a `file`. */
  constructor(host: RowHost, from: UploadSource | { record: FileRecord }) {
    this.#host = host;
    this.name = "record" in from ? from.record.name : from.name;
    const name = make("bdi", "name");
    name.textContent = this.name;
    this.#bar.setAttribute("aria-label", this.name);
    const controls = make("span", "controls");
    controls.append(...this.#buttons);
    this.element.append(name, controls, this.#detail, this.#bar);
    this.element.tabIndex = -1;
    if ("record" in from) {
      this.#file = from.record;
    } else {
      this.#source = from;
      this.#kept = from.kept?.uploadId;
      if (!from.kept) this.#startUpload();
    }
    this.show();
  }

  /** Shows a picture of the file, if it is one; once the row is in the page. */
  drawPreview(): void {
    const file = this.#source?.file;
    if (!file) return;
    const canvas = make("canvas", "preview");
    canvas.setAttribute("aria-hidden", "true");
    this.element.prepend(canvas);
    drawPreview(canvas, file);
  }

  /** Once it is uploaded. */
  get file(): FileRecord | undefined {
    return this.#file;
  }

  get state(): TaskState {
    return this.#file ? "available" : (this.#task?.state ?? "failed");
  }

  /** Whether it is neither uploaded nor given up. */
  get isUnderWay(): boolean {
    return !isFinal(this.state);
  }

  /** Whether nobody has said yet that it is to go on. */
  get isOffered(): boolean {
    return !this.#file && !this.#task;
  }

  get task(): UploadTask | undefined {
    return this.#task;
  }

  /** Shows how things are, in the texts of now. */
  show(): void {
    const { state, name } = this;
    const texts = this.#host.texts();
    const { loaded, total } = this.#task?.progress ?? { loaded: this.#source?.kept?.part ?? 1, total: 1 };
    const part = total > 0 ? loaded / total : 0;
    const text = this.isOffered ? "interrupted" : state === "aborted" ? "failed" : state;
    this.element.part.value = `upload ${this.isOffered ? text : state}`;
    this.element.classList.toggle("failed", text === "failed");
    this.#detail.textContent = format(texts[text], { name, percent: this.#host.percent(part) });
    this.#bar.value = part;
    this.#bar.hidden = !this.isUnderWay;
    for (const [control, label] of [
      [this.#pause, texts.pause],
      [this.#resume, texts.resume],
      [this.#abort, texts.abort],
      [this.#retry, texts.retry],
      [this.#continue, texts.continue],
      [this.#discard, texts.discard],
      [this.#remove, texts.remove],
    ] as const) {
      if (control.textContent === label) continue;
      control.textContent = label;
      control.setAttribute("aria-label", `${label}: ${name}`);
    }
    this.#showButtons(state);
  }

  /** Buttons do nothing while the form's fieldset, or the element, is disabled. */
  disable(disabled: boolean): void {
    for (const control of this.#buttons) control.disabled = disabled;
  }

  get #buttons(): HTMLButtonElement[] {
    return [this.#pause, this.#resume, this.#retry, this.#continue, this.#discard, this.#abort, this.#remove];
  }

  #startUpload(): void {
    const started = this.#source?.start(this.#kept);
    if (!(started instanceof Promise)) return this.#follow(started);
    this.#retry.disabled = this.#continue.disabled = true;
    started
      .then(
        (task) => this.#follow(task),
        (error: UploadError) => this.#host.notContinued(this, error),
      )
      .finally(() => (this.#retry.disabled = this.#continue.disabled = this.#abort.disabled));
  }

  #follow(task: UploadTask | undefined): void {
    if (!task) return;
    this.#task = task;
    task.addEventListener("progress", () => this.show());
    task.addEventListener("statechange", () => {
      this.show();
      this.#host.changed(this);
    });
    task.done.then(
      (file) => {
        this.#file = file;
        this.show();
        this.#host.ended(this, { file });
      },
      (error: UploadError) => {
        this.#kept = error.uploadId;
        this.show();
        this.#host.ended(this, { error });
      },
    );
    this.show();
    this.#host.changed(this);
  }

  /** Shows the buttons that make sense, and hands the keyboard on where the one in use goes away. */
  #showButtons(state: TaskState): void {
    const root = this.element.getRootNode() as ShadowRoot | HTMLElement;
    const inUse = "activeElement" in root ? root.activeElement : null;
    this.#pause.hidden = !["queued", "uploading", "offline"].includes(state);
    this.#resume.hidden = state !== "paused";
    this.#abort.hidden = !this.isUnderWay;
    this.#retry.hidden = this.isOffered || state !== "failed";
    this.#continue.hidden = this.#discard.hidden = !this.isOffered;
    this.#remove.hidden = this.isOffered || this.isUnderWay;
    if (!(inUse instanceof HTMLElement) || !inUse.hidden || !this.element.contains(inUse)) return;
    const next = this.#buttons.find((control) => !control.hidden && control !== this.#abort);
    (next ?? this.element).focus();
  }
}
