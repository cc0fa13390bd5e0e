import { SmoothedRate } from "../total-progress.js";
import type { Progress } from "../types.js";
import { Throttle } from "./throttle.js";

/** Shortest time between two reports, in ms. Source: `UploadTaskEventMap.progress`. */
const REPORT_INTERVAL = 100;

/** How far one upload is that sends only what changed. */
export class DeltaProgress {
  #total: number;
  #report: (progress: Progress) => void;
  #loaded = 0;
  #copied = 0;
  #skipped = 0;
  #rate = new SmoothedRate();
  #throttle = new Throttle(REPORT_INTERVAL, () => this.#tell());

  /** `report` is called at most ten times a second. */
  constructor(total: number, report: (progress: Progress) => void) {
    this.#total = total;
    this.#report = report;
  }

  /** Storage has so many bytes, and of these so many by copying. What is begun anew lets nothing fall. */
  update(loaded: number, copied: number): void {
    const more = Math.max(0, copied - this.#copied);
    this.#rate.skip(more);
    this.#copied += more;
    this.#loaded = Math.max(this.#loaded, loaded);
    this.#rate.sample(this.#loaded, performance.now());
    this.#throttle.request();
  }

  /** All of it is there, and nothing was moved for it. */
  skip(): void {
    this.#skipped = this.#total;
    this.update(this.#total, this.#total);
    this.flush();
  }

  /** Reports now what has not been reported. */
  flush(): void {
    this.#throttle.flush();
  }

  #tell(): void {
    const rate = this.#rate.value;
    const etaSeconds = rate >= 1 ? (this.#total - this.#loaded) / rate : null;
    this.#report({
      loaded: this.#loaded,
      total: this.#total,
      rate,
      etaSeconds,
      copied: this.#copied,
      ...(this.#skipped && { skipped: this.#skipped }),
    });
  }
}
