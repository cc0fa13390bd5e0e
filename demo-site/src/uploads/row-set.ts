import { canPause, hasEnded } from "./progress-display.ts";
import type { RowCounter, UploadRow, UploadStatus } from "./upload-row.ts";

const NOTHING = { count: 0, done: 0, failed: 0, ended: 0, pausable: 0, paused: 0, loaded: 0, total: 0 };

/** How many rows are how far, and how many bytes they have and want. */
export type RowCounts = typeof NOTHING;

/** Rows that are counted and steered together. Whatever happens to one of them costs the same with any number. */
export class RowSet implements Iterable<UploadRow>, RowCounter {
  readonly #rows = new Set<UploadRow>();
  readonly #changed: () => void;
  readonly #counts = { ...NOTHING };

  /** `changed` is called after each change, many times between two frames. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get counts(): Readonly<RowCounts> {
    return this.#counts;
  }

  [Symbol.iterator](): Iterator<UploadRow> {
    return this.#rows.values();
  }

  add(row: UploadRow): void {
    this.#rows.add(row);
    this.#count(row.figures, 1);
    this.#changed();
  }

  delete(row: UploadRow): void {
    if (!this.#rows.delete(row)) return;
    this.#count(row.figures, -1);
    this.#changed();
  }

  recount(before: UploadStatus, after: UploadStatus): void {
    this.#count(before, -1);
    this.#count(after, 1);
    this.#changed();
  }

  pause(): void {
    for (const row of this.#rows) if (canPause(row.figures.state)) row.pause();
  }

  resume(): void {
    for (const row of this.#rows) if (row.figures.state === "paused") row.resume();
  }

  cancel(): void {
    for (const row of this.#rows) if (!row.ended) row.cancel();
  }

  retryFailed(): void {
    for (const row of this.#rows) if (row.figures.state === "failed") row.retry();
  }

  clearFinished(): void {
    for (const row of this.#rows) if (row.ended) row.remove();
  }

  relabel(): void {
    for (const row of this.#rows) row.relabel();
  }

  #count({ state, loaded, total }: UploadStatus, times: 1 | -1): void {
    const counts = this.#counts;
    const ended = hasEnded(state);
    counts.count += times;
    counts.done += state === "available" ? times : 0;
    counts.failed += state === "failed" ? times : 0;
    counts.ended += ended ? times : 0;
    counts.pausable += canPause(state) ? times : 0;
    counts.paused += state === "paused" ? times : 0;
    counts.loaded += times * loaded;
    // What a failed or cancelled upload did not get through is no longer wanted.
    counts.total += times * (ended ? loaded : total);
  }
}
