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
  #sizes: number[] = [];
  /** Of each part that nobody is busy with. */
  #settled: number[] = [];
  #sending = new Set<number>();
  #copying = new Set<number>();

  /** `report` is called at most four times a second, while it is watched. */
  constructor(activity: ActivityCounter, report: (parts: PartStates) => void) {
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

  /** These are all parts, of which storage has none. */
  begin(parts: { length: number }[]): void {
    this.#sizes = parts.map(({ length }) => length);
    this.#settled = parts.map(() => State.waiting);
    this.#tell();
  }

  /** A file of so many bytes that refers to the content of another is one part. */
  skip(size: number): void {
    this.#sizes = [size];
    this.#settled = [State.copied];
    this.#activity.add({ skipped: size });
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
    this.#settle(partNumber, State.stored);
    this.#change({ sending: -1, sent: this.#sizes[partNumber - 1] });
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
    this.#settle(partNumber, State.copied);
    this.#change({ copied: this.#sizes[partNumber - 1] });
  }

  /** Reports now what has not been reported. */
  flush(): void {
    this.#throttle.flush();
  }

  #settle(partNumber: number, state: number): void {
    this.#settled[partNumber - 1] = state;
  }

  #change(figures: Parameters<ActivityCounter["add"]>[0]): void {
    this.#activity.add(figures);
    if (this.#isWatched) this.#throttle.request();
  }

  #tell(): void {
    this.#throttle.cancel();
    const [partSize] = this.#sizes;
    if (!this.#isWatched || partSize === undefined) return;
    const states = Uint8Array.from(this.#settled);
    for (const busy of [this.#sending, this.#copying])
      for (const partNumber of busy) states[partNumber - 1] = State.underWay;
    this.#report({ partSize, states, sizes: [...this.#sizes] });
  }
}
