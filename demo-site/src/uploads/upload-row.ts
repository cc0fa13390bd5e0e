import type { FileRecord, PartStates, Progress, TaskState, UploadTask } from "@syncsphere/uploader";
import { shownName } from "../format.ts";
import { errorMessage } from "../language/error-message.ts";
import { control, copyTemplate, showButtons, part, setText, showName, observeVisibility } from "../dom.ts";
import { PartsMap } from "./parts-map.ts";
import { canPause, hasEnded, ProgressDisplay } from "./progress-display.ts";

/** What a row shows and its sets count. */
export interface UploadStatus {
  state: TaskState;
  loaded: number;
  total: number;
  /** Bytes a second. */
  rate: number;
  /** Bytes that were not sent, and those of them that were not even copied. */
  copied?: number;
  skipped?: number;
}

/** Counts rows, and hears of every change of theirs. */
export interface RowCounter {
  add(row: UploadRow): void;
  delete(row: UploadRow): void;
  recount(before: UploadStatus, after: UploadStatus): void;
}

/** How an upload begins. */
export interface UploadSource {
  name: string;
  /** The folder to be shown with the name, or empty. */
  path: string;
  size: number;
  /** Called at once. */
  start: () => UploadTask;
  /** Called where a person wants to try again, if that makes sense. */
  again?: () => UploadTask;
}

/** Hears how uploads end. */
export interface OutcomeListener {
  uploaded(name: string): void;
  failed(name: string, why: string): void;
}

/** One upload on the page: shows its task and steers it. */
export class UploadRow {
  readonly element = copyTemplate("upload-template");
  readonly #name: string;
  readonly #again: (() => UploadTask) | undefined;
  readonly #sets: RowCounter[];
  readonly #ends: OutcomeListener;
  readonly #pause = control(this.element, "pause");
  readonly #resume = control(this.element, "resume");
  readonly #abort = control(this.element, "abort");
  readonly #retry = control(this.element, "retry");
  readonly #shown: ProgressDisplay;
  readonly #problem = part(this.element, "problem");
  readonly #parts: PartsMap;
  #figures: UploadStatus;
  #etaSeconds: number | null = null;
  #error: unknown;
  #task: UploadTask;
  #visible = false;
  #unwatch: () => void;
  #listening: UploadTask | undefined;

  /** `sets` count the row from now on until it is removed. */
  constructor({ name, path, size, start, again }: UploadSource, sets: RowCounter[], ends: OutcomeListener) {
    this.#name = shownName(name);
    this.#again = again;
    this.#sets = sets;
    this.#ends = ends;
    this.#figures = { state: "queued", loaded: 0, total: size, rate: 0 };
    this.element.dataset.name = name;
    showName(this.element, this.#name, shownName(path));
    this.#shown = new ProgressDisplay(this.element, this.#name);
    this.#parts = new PartsMap(part(this.element, "parts"));

    this.#pause.addEventListener("click", () => this.pause());
    this.#resume.addEventListener("click", () => this.resume());
    this.#abort.addEventListener("click", () => this.cancel());
    this.#retry.addEventListener("click", () => this.retry());
    this.#show();
    this.#task = this.#follow(start());
    for (const set of sets) set.add(this);
    this.#unwatch = observeVisibility(this.element, (visible) => {
      this.#visible = visible;
      this.#listenForParts();
    });
  }

  get figures(): UploadStatus {
    return this.#figures;
  }

  get ended(): boolean {
    return hasEnded(this.#figures.state);
  }

  pause(): void {
    this.#task.pause();
  }

  resume(): void {
    this.#task.resume();
  }

  cancel(): void {
    void this.#task.abort();
  }

  /** Starts anew what has failed, if that makes sense. */
  retry(): void {
    if (!this.#again) return;
    this.#problem.hidden = true;
    this.#change({ state: "queued", loaded: 0, rate: 0, copied: 0, skipped: 0 }, null);
    this.#task = this.#follow(this.#again());
  }

  remove(): void {
    this.#unwatch();
    this.#visible = false;
    this.#listenForParts();
    this.element.remove();
    for (const set of this.#sets) set.delete(this);
  }

  /** Says everything again, in the page's language. */
  relabel(): void {
    this.#show();
    this.#parts.relabel();
    if (!this.#problem.hidden) setText(this.#problem, errorMessage(this.#error));
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

  #progressed({ etaSeconds, ...figures }: Progress): void {
    this.#change(figures, etaSeconds);
  }

  #moved(state: TaskState): void {
    this.#change(state === "uploading" ? { state } : { state, rate: 0 }, null);
  }

  #succeeded({ size }: FileRecord): void {
    this.#change({ state: "available", loaded: size, total: size, rate: 0 }, null);
    this.#ends.uploaded(this.#name);
  }

  #ended(task: UploadTask, error: unknown): void {
    if (task !== this.#task || this.#figures.state === "aborted") return;
    this.#error = error;
    const why = errorMessage(error);
    setText(this.#problem, why);
    this.#problem.hidden = false;
    this.#change({ state: "failed", rate: 0 }, null);
    this.#ends.failed(this.#name, why);
  }

  #change(change: Partial<UploadStatus>, etaSeconds: number | null): void {
    const before = this.#figures;
    this.#figures = { ...before, ...change };
    this.#etaSeconds = etaSeconds;
    this.#show();
    for (const set of this.#sets) set.recount(before, this.#figures);
  }

  #show(): void {
    const { state, ...progress } = this.#figures;
    this.element.dataset.loaded = String(progress.loaded);
    if (!this.#shown.show(state, { ...progress, etaSeconds: this.#etaSeconds })) return;
    showButtons(
      [
        [this.#pause, canPause(state)],
        [this.#resume, state === "paused"],
        [this.#retry, state === "failed" && this.#again !== undefined],
        [this.#abort, !hasEnded(state)],
      ],
      this.element,
    );
    this.#listenForParts();
  }

  /** Parts are told only to those who listen, and nobody needs to know what nobody sees. */
  #listenForParts(): void {
    const wanted =
      this.#visible && !this.ended && this.#figures.total > SMALLEST_MULTIPART ? this.#task : undefined;
    if (this.ended) this.#parts.hide();
    if (this.#listening === wanted) return;
    this.#listening?.removeEventListener("parts", this.#showParts);
    this.#listening = wanted;
    wanted?.addEventListener("parts", this.#showParts);
  }

  readonly #showParts = ({ detail }: CustomEvent<PartStates>): void => {
    if (!this.ended) this.#parts.show(detail);
  };
}

/** Source: docs/api.md, the smallest part of an upload that has several. */
const SMALLEST_MULTIPART = 5 * 1024 * 1024;
