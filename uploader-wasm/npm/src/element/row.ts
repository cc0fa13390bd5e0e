import type { UploadError, UploadTask } from "../index.js";
import { isFinal } from "../task-state.js";
import type { FileRecord, TaskState } from "../types.js";
import { button, make } from "./dom.js";
import { format, type UploadElementTexts } from "./labels.js";

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
}

/** One file in the element: on its way, or uploaded. */
export class UploadRow {
  readonly element = make("li", "upload");
  readonly name: string;
  #host: RowHost;
  #start: (() => UploadTask) | undefined;
  #task: UploadTask | undefined;
  #file: FileRecord | undefined;
  #detail = make("span", "detail");
  #bar = make("progress", "progress");
  #pause = button("pause", () => this.#task?.pause());
  #resume = button("resume", () => this.#task?.resume());
  #abort = button("abort", () => void this.#task?.abort());
  #retry = button("retry", () => this.#startUpload());
  #remove = button("remove", () => this.#host.removed(this));

  /** Begins an upload by calling `start`, and again where a person wants to try again; or shows a `file`. */
  constructor(host: RowHost, from: { name: string; start: () => UploadTask } | { file: FileRecord }) {
    this.#host = host;
    this.name = "file" in from ? from.file.name : from.name;
    const name = make("bdi", "name");
    name.textContent = this.name;
    this.#bar.setAttribute("aria-label", this.name);
    const controls = make("span", "controls");
    controls.append(this.#pause, this.#resume, this.#retry, this.#abort, this.#remove);
    this.element.append(name, controls, this.#detail, this.#bar);
    this.element.tabIndex = -1;
    if ("file" in from) {
      this.#file = from.file;
      this.show();
    } else {
      this.#start = from.start;
      this.#startUpload();
    }
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

  get task(): UploadTask | undefined {
    return this.#task;
  }

  /** Shows how things are, in the texts of now. */
  show(): void {
    const { state, name } = this;
    const texts = this.#host.texts();
    const { loaded, total } = this.#task?.progress ?? { loaded: 1, total: 1 };
    const part = total > 0 ? loaded / total : 0;
    const text = state === "aborted" ? "failed" : state;
    this.element.part.value = `upload ${state}`;
    this.element.classList.toggle("failed", text === "failed");
    this.#detail.textContent = format(texts[text], { name, percent: this.#host.percent(part) });
    this.#bar.value = part;
    this.#bar.hidden = !this.isUnderWay;
    for (const [control, label] of [
      [this.#pause, texts.pause],
      [this.#resume, texts.resume],
      [this.#abort, texts.abort],
      [this.#retry, texts.retry],
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
    for (const control of [this.#pause, this.#resume, this.#abort, this.#retry, this.#remove]) {
      control.disabled = disabled;
    }
  }

  #startUpload(): void {
    if (!this.#start) return;
    const task = (this.#task = this.#start());
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
    this.#retry.hidden = state !== "failed";
    this.#remove.hidden = this.isUnderWay;
    if (!(inUse instanceof HTMLElement) || !inUse.hidden || !this.element.contains(inUse)) return;
    const next = [this.#pause, this.#resume, this.#retry, this.#remove].find((control) => !control.hidden);
    (next ?? this.element).focus();
  }
}
