import { isFinal } from "./task-state.js";
import type { UploadTask } from "./task.js";
import type { Progress } from "./types.js";

/** Shortest time between two reports, in ms. Source: `UploaderEventMap.progress`. */
const REPORT_INTERVAL = 100;

/** Time over which the rate is smoothed, and the shortest worth measuring, in s. Source: `upload-core/src/meter.rs`. */
const SMOOTHING_TIME = 4;
const MIN_SAMPLE_TIME = 0.25;

/** What one upload adds to the sums. */
interface TaskShare {
  loaded: number;
  total: number;
  /** Those of `loaded` that storage has copied. */
  copied: number;
  /** Bytes to go, unless it is paused. */
  left: number;
  active: 0 | 1;
}

const ZERO: TaskShare = { loaded: 0, total: 0, copied: 0, left: 0, active: 0 };

/**
 * The progress of many uploads together, which begins anew with the first one after all have ended. A
 * failed or aborted one counts from then on with the bytes that it got through, so that nothing falls.
 */
export class TotalProgress {
  #report: (progress: Progress) => void;
  #now: () => number;
  /** Of the uploads that have not ended. */
  #shares = new Map<number, TaskShare>();
  #sum = { ...ZERO };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #rate = new SmoothedRate();

  /** `report` is called at most ten times a second; `now` is a clock in ms. */
  constructor(report: (progress: Progress) => void, now = () => performance.now()) {
    this.#report = report;
    this.#now = now;
  }

  get progress(): Progress {
    const { loaded, total, left } = this.#sum;
    const rate = this.#rate.value;
    const etaSeconds = loaded === total && this.#shares.size === 0 ? 0 : rate >= 1 ? left / rate : null;
    return { loaded, total, rate, etaSeconds };
  }

  /** Whether any upload is under way: not paused, waiting or offline. */
  get isMoving(): boolean {
    return this.#sum.active > 0;
  }

  /** Takes how an upload stands now. */
  update(number: number, { state, progress }: Pick<UploadTask, "state" | "progress">): void {
    if (this.#shares.size === 0) {
      this.#sum = { ...ZERO };
      this.#rate = new SmoothedRate();
    }
    const { loaded, total, copied = 0 } = progress;
    const ended = isFinal(state);
    const before = this.#shares.get(number);
    // What it brings with it from an earlier page is no speed, and what storage copies is none of the network's.
    this.#rate.skip(before ? copied - before.copied : loaded);
    this.#add(before ?? ZERO, -1);
    const share: TaskShare = {
      loaded,
      total: ended ? loaded : total,
      copied,
      left: ended || state === "paused" ? 0 : total - loaded,
      active: state === "uploading" || state === "completing" ? 1 : 0,
    };
    this.#add(share, 1);
    if (ended) this.#shares.delete(number);
    else this.#shares.set(number, share);
    // Time in which nothing can move says nothing of the speed.
    if (this.#sum.active > 0) this.#rate.sample(this.#sum.loaded, this.#now());
    else this.#rate = new SmoothedRate();
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#report(this.progress);
    }, REPORT_INTERVAL);
  }

  #add({ loaded, total, left, active }: TaskShare, times: 1 | -1): void {
    this.#sum.loaded += times * loaded;
    this.#sum.total += times * total;
    this.#sum.left += times * left;
    this.#sum.active += times * active;
  }
}

/** Bytes a second, the more recent the heavier, and not biased by how short the past is. */
export class SmoothedRate {
  #weighted = 0;
  #weight = 0;
  #last: { loaded: number; at: number } | undefined;

  get value(): number {
    return this.#weight > 0 ? this.#weighted / this.#weight : 0;
  }

  /** So many of the bytes that are counted from now on did not move. */
  skip(bytes: number): void {
    if (this.#last) this.#last.loaded += bytes;
  }

  sample(loaded: number, at: number): void {
    this.#last ??= { loaded, at };
    const seconds = (at - this.#last.at) / 1000;
    if (seconds < MIN_SAMPLE_TIME) return;
    const kept = Math.exp(-seconds / SMOOTHING_TIME);
    this.#weighted = this.#weighted * kept + ((loaded - this.#last.loaded) / seconds) * (1 - kept);
    this.#weight = this.#weight * kept + 1 - kept;
    this.#last = { loaded, at };
  }
}
