import type { Progress, TaskState } from "@syncsphere/uploader";
import { bytes, bytesOf, percent, speed, timeLeft } from "../format.ts";
import { interpolate, messages } from "../language/messages.ts";
import { part, setText } from "../dom.ts";

/** The bar of a row, and the line below it that says how far the upload is. */
export class ProgressDisplay {
  readonly #row: HTMLElement;
  readonly #bar: HTMLProgressElement;
  readonly #state: HTMLElement;
  readonly #percent: HTMLElement;
  readonly #amount: HTMLElement;
  readonly #copied: HTMLElement;
  readonly #rate: HTMLElement;
  readonly #eta: HTMLElement;

  /** `name` is read out with the bar. */
  constructor(row: HTMLElement, name: string) {
    this.#row = row;
    this.#bar = part<HTMLProgressElement>(row, "bar");
    this.#bar.ariaLabel = name;
    this.#state = part(row, "state");
    this.#percent = part(row, "percent");
    this.#amount = part(row, "amount");
    this.#copied = part(row, "copied");
    this.#rate = part(row, "rate");
    this.#eta = part(row, "eta");
  }

  /** Tells whether the state is another one than was shown before. */
  show(state: TaskState, progress: Progress): boolean {
    const { loaded, total, rate, etaSeconds } = progress;
    const moving = state === "uploading";
    const whole = state === "available";
    const underWay = !hasEnded(state);
    setText(this.#state, messages().states[state]);
    setText(this.#percent, underWay ? percent(loaded, total) : "");
    setText(this.#amount, underWay ? bytesOf(loaded, total) : bytes(total));
    setText(this.#copied, copiedOf(progress));
    setText(this.#rate, moving ? speed(rate) : "");
    setText(this.#eta, moving && etaSeconds !== null ? timeLeft(etaSeconds) : "");
    // An empty file is all there or not at all.
    this.#bar.max = total || 1;
    this.#bar.value = total ? loaded : Number(whole);

    if (this.#row.dataset.state === state) return false;
    this.#row.dataset.state = state;
    return true;
  }
}

/** What did not have to be sent, if anything. */
function copiedOf({ copied = 0, skipped = 0 }: Progress): string {
  const { copiedBytes, alreadyThere } = messages();
  if (skipped > 0) return alreadyThere;
  return copied > 0 ? interpolate(copiedBytes, { amount: bytes(copied) }) : "";
}

/** Whether nothing more happens to an upload in this state. */
export function hasEnded(state: TaskState): boolean {
  return state === "available" || state === "failed" || state === "aborted";
}

/** Whether an upload in this state can be paused. */
export function canPause(state: TaskState): boolean {
  return state === "queued" || state === "uploading" || state === "offline";
}
