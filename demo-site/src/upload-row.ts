import type { FileRecord, Progress, TaskState, UploadTask } from "@syncsphere/uploader";
import { shownName } from "./figures.ts";
import { control, copyTemplate, nameControls, part, setText } from "./page.ts";
import { hasEnded, ProgressFigures } from "./progress-figures.ts";
import { sentence } from "./wording.ts";

/** What an upload adds to the figures of all uploads together. */
export interface UploadFigures {
  state: TaskState;
  loaded: number;
  total: number;
  /** Bytes a second. */
  rate: number;
}

/** What a row tells its list. */
export interface UploadRowEvents {
  changed(before: UploadFigures, after: UploadFigures): void;
  uploaded(name: string): void;
  failed(name: string, why: string): void;
}

/** One upload on the page: shows its task and steers it. */
export class UploadRow {
  readonly element = copyTemplate("upload-template");
  readonly #name: string;
  readonly #start: () => UploadTask;
  readonly #events: UploadRowEvents;
  readonly #pause = control(this.element, "pause");
  readonly #resume = control(this.element, "resume");
  readonly #abort = control(this.element, "abort");
  readonly #retry = control(this.element, "retry");
  readonly #shown: ProgressFigures;
  readonly #problem = part(this.element, "problem");
  #task: UploadTask;
  #figures: UploadFigures;

  /** `start` begins the upload; it is called at once, and again where a person wants to try again. */
  constructor(name: string, size: number, start: () => UploadTask, events: UploadRowEvents) {
    this.#name = shownName(name);
    this.#start = start;
    this.#events = events;
    this.#figures = { state: "queued", loaded: 0, total: size, rate: 0 };
    this.element.dataset.name = name;
    part(this.element, "name").textContent = this.#name;
    this.#shown = new ProgressFigures(this.element, this.#name);
    nameControls(this.element, this.#name);

    this.#pause.addEventListener("click", () => this.#task.pause());
    this.#resume.addEventListener("click", () => this.#task.resume());
    this.#abort.addEventListener("click", () => void this.#task.abort());
    this.#retry.addEventListener("click", () => this.#startAgain());
    this.#show(this.#figures, null);
    this.#task = this.#follow(start());
  }

  get figures(): UploadFigures {
    return this.#figures;
  }

  get ended(): boolean {
    return hasEnded(this.#figures.state);
  }

  #startAgain(): void {
    this.#problem.hidden = true;
    this.#change({ state: "queued", loaded: 0, rate: 0 }, null);
    this.#task = this.#follow(this.#start());
  }

  #follow(task: UploadTask): UploadTask {
    task.addEventListener("progress", ({ detail }) => this.#progressed(detail));
    task.addEventListener("statechange", ({ detail }) => this.#moved(detail.state));
    task.done.then(
      (record) => this.#succeeded(record),
      (error: unknown) => this.#ended(task, error),
    );
    return task;
  }

  #progressed({ loaded, total, rate, etaSeconds }: Progress): void {
    this.#change({ loaded, total, rate }, etaSeconds);
  }

  #moved(state: TaskState): void {
    this.#change(state === "uploading" ? { state } : { state, rate: 0 }, null);
  }

  #succeeded({ size }: FileRecord): void {
    this.#change({ state: "available", loaded: size, total: size, rate: 0 }, null);
    this.#events.uploaded(this.#name);
  }

  #ended(task: UploadTask, error: unknown): void {
    if (task !== this.#task || this.#figures.state === "aborted") return;
    const why = sentence(error);
    setText(this.#problem, why);
    this.#problem.hidden = false;
    this.#change({ state: "failed", rate: 0 }, null);
    this.#events.failed(this.#name, why);
  }

  #change(change: Partial<UploadFigures>, etaSeconds: number | null): void {
    const before = this.#figures;
    this.#figures = { ...before, ...change };
    this.#show(this.#figures, etaSeconds);
    this.#events.changed(before, this.#figures);
  }

  #show({ state, ...progress }: UploadFigures, etaSeconds: number | null): void {
    this.element.dataset.loaded = String(progress.loaded);
    if (this.#shown.show(state, { ...progress, etaSeconds })) this.#offer(state);
  }

  /** Shows the buttons that make sense, and hands the keyboard on where the one in use goes away. */
  #offer(state: TaskState): void {
    const inUse = document.activeElement;
    this.#pause.hidden = !PAUSABLE.has(state);
    this.#resume.hidden = state !== "paused";
    this.#abort.hidden = hasEnded(state);
    this.#retry.hidden = state !== "failed";
    if (!(inUse instanceof HTMLButtonElement) || !inUse.hidden || !this.element.contains(inUse)) return;
    const next = [this.#pause, this.#resume, this.#retry].find((button) => !button.hidden);
    (next ?? this.element).focus();
  }
}

const PAUSABLE: ReadonlySet<TaskState> = new Set(["queued", "uploading", "offline"]);
