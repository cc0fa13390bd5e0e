import type { PartObserver } from "../part-sender.js";
import type { PartStates } from "../types.js";
import type { ActivityCounter } from "./activity-counter.js";
import type { CopyObserver } from "./part-copies.js";
import { Throttle } from "./throttle.js";

/** Shortest time between two reports, in ms. Source: `UploadTaskEventMap.parts`. */
const REPORT_INTERVAL = 250;

/** Source: `PartStates.states`. */
const State = { waiting: 0, underWay: 1, stored: 3, copied: 4 } as const;

/** Where the parts of one upload stand that sends only what changed. */
export class DeltaParts implements PartObserver, CopyObserver {
  #activity: ActivityCounter;
  #report: (parts: PartStates) => void;
  #isWatched = false;
  #throttle = new Throttle(REPORT_INTERVAL, () => this.#tell());
  #size: number;
  /** As far as they are known. */
  #parts: readonly { length: number }[] | undefined;
  /** By their numbers, of those that storage has. */
  #stored = new Map<number, number>();
  #sending = new Set<number>();
  #copying = new Set<number>();

  /** Of a file of so many bytes. `report` is called at most four times a second, while it is watched. */
  constructor(size: number, activity: ActivityCounter, report: (parts: PartStates) => void) {
    this.#size = size;
    this.#activity = activity;
    this.#report = report;
  }

  watch(): void {
    this.#isWatched = true;
    this.#tell();
  }

  unwatch(): void {
    this.#isWatched = false;
    this.#throttle.cancel();
  }

  /** These are the parts known so far, of which storage has none; more are added to them while the file is read. */
  begin(parts: readonly { length: number }[]): void {
    this.#parts = parts;
    this.#stored.clear();
    this.#tell();
  }

  /** The file refers to the content of another: it is one part. */
  skip(): void {
    this.begin([{ length: this.#size }]);
    this.#stored.set(1, State.copied);
    this.#activity.add({ skipped: this.#size });
    this.#tell();
  }

  onSending(partNumber: number): void {
    this.#sending.add(partNumber);
    this.#change({ sending: 1 });
  }

  onFailed(partNumber: number): void {
    this.#sending.delete(partNumber);
    this.#change({ sending: -1 });
  }

  onSent(partNumber: number): void {
    this.#sending.delete(partNumber);
    this.#stored.set(partNumber, State.stored);
    this.#change({ sending: -1, sent: this.#sizeOf(partNumber) });
  }

  onCopying(partNumbers: number[]): void {
    for (const partNumber of partNumbers) this.#copying.add(partNumber);
    this.#change({ copying: partNumbers.length });
  }

  onAnswered(partNumbers: number[]): void {
    for (const partNumber of partNumbers) this.#copying.delete(partNumber);
    this.#change({ copying: -partNumbers.length });
  }

  onCopied(partNumber: number): void {
    this.#stored.set(partNumber, State.copied);
    this.#change({ copied: this.#sizeOf(partNumber) });
  }

  /** Reports now what has not been reported. */
  flush(): void {
    this.#throttle.flush();
  }

  #sizeOf(partNumber: number): number {
    return this.#parts?.[partNumber - 1]?.length ?? 0;
  }

  #change(figures: Parameters<ActivityCounter["add"]>[0]): void {
    this.#activity.add(figures);
    if (this.#isWatched) this.#throttle.request();
  }

  #tell(): void {
    this.#throttle.cancel();
    if (!this.#isWatched || !this.#parts) return;
    const sizes = this.#parts.map(({ length }) => length);
    const unread = this.#size - sizes.reduce((sum, size) => sum + size, 0);
    if (unread > 0) sizes.push(unread);
    const states = new Uint8Array(sizes.length);
    for (const [partNumber, state] of this.#stored) states[partNumber - 1] = state;
    for (const busy of [this.#sending, this.#copying])
      for (const partNumber of busy) states[partNumber - 1] = State.underWay;
    this.#report({ partSize: sizes[0]!, states, sizes });
  }
}
