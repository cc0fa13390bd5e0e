import type { Activity, DeltaActivity, Progress } from "../types.js";
import { Throttle } from "./throttle.js";

/** Shortest time between two reports, in ms. Source: `UploaderEventMap.activity`. */
const REPORT_INTERVAL = 250;

/** An `Uploader`, as far as it counts here. */
export interface ActivityTarget extends EventTarget {
  readonly progress: Progress;
}

/** One for each uploader. */
const counters = new WeakMap<ActivityTarget, ActivityCounter>();

/** What is done for all uploads of one `Uploader` that send only what changed. */
export class ActivityCounter {
  #uploader: ActivityTarget;
  #dispatch: (event: Event) => boolean;
  /** As the engine has told it last. */
  #engine: Activity = { window: 0, inFlight: 0, waiting: 0, rate: 0, retries: 0, hedges: 0 };
  #figures: DeltaActivity = { sending: 0, copying: 0, sent: 0, copied: 0, skipped: 0 };
  #throttle = new Throttle(REPORT_INTERVAL, () => this.#tell());

  /** The same one for all uploads of an uploader. */
  static of(uploader: ActivityTarget): ActivityCounter {
    let counter = counters.get(uploader);
    if (!counter) counters.set(uploader, (counter = new ActivityCounter(uploader)));
    return counter;
  }

  /** The uploader's script, which everybody loads, knows nothing of deltas: what it tells is amended on its way. */
  private constructor(uploader: ActivityTarget) {
    this.#uploader = uploader;
    this.#dispatch = uploader.dispatchEvent.bind(uploader);
    uploader.dispatchEvent = (event) => {
      if (event.type !== "activity") return this.#dispatch(event);
      this.#engine = (event as CustomEvent<Activity>).detail;
      return this.#tell();
    };
  }

  /** So much more of each of these. */
  add(more: Partial<DeltaActivity>): void {
    for (const [name, count] of Object.entries(more)) this.#figures[name as keyof DeltaActivity] += count;
    this.#throttle.request();
  }

  /** The speed is new as long as anything moves. */
  #tell(): boolean {
    this.#throttle.cancel();
    const deltas = { ...this.#figures };
    if (deltas.sending + deltas.copying > 0) this.#throttle.request();
    const { rate } = this.#uploader.progress;
    const detail: Activity = { ...this.#engine, rate, deltas };
    return this.#dispatch(new CustomEvent("activity", { detail }));
  }
}
