import { canPause, hasEnded } from "./progress-figures.ts";
import type { UploadFigures, UploadRow } from "./upload-row.ts";

const NOTHING = { count: 0, done: 0, failed: 0, ended: 0, pausable: 0, paused: 0, loaded: 0, total: 0 };

/** How many rows are how far, and how many bytes they have and want. */
export type Tally = typeof NOTHING;

/** Rows that are counted and steered together. Whatever happens to one of them costs the same with any number. */
export class RowSet implements Iterable<UploadRow> {
  readonly #rows = new Set<UploadRow>();
  readonly #changed: () => void;
  readonly #tally = { ...NOTHING };

  /** `changed` is called after each change, many times between two frames. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get tally(): Readonly<Tally> {
    return this.#tally;
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

  recount(before: UploadFigures, after: UploadFigures): void {
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

  retell(): void {
    for (const row of this.#rows) row.retell();
  }

  #count({ state, loaded, total }: UploadFigures, times: 1 | -1): void {
    const tally = this.#tally;
    const ended = hasEnded(state);
    tally.count += times;
    tally.done += state === "available" ? times : 0;
    tally.failed += state === "failed" ? times : 0;
    tally.ended += ended ? times : 0;
    tally.pausable += canPause(state) ? times : 0;
    tally.paused += state === "paused" ? times : 0;
    tally.loaded += times * loaded;
    // What a failed or cancelled upload did not get through is no longer wanted.
    tally.total += times * (ended ? loaded : total);
  }
}
