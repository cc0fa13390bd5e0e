import type { Activity, Uploader } from "@syncsphere/uploader";
import { percent, speed, timeLeft } from "../format.ts";
import { plural, integer, messages } from "../language/messages.ts";
import { byId, setText, observeVisibility } from "../dom.ts";
import type { RowSet } from "../uploads/row-set.ts";
import { SpeedChart } from "./speed-chart.ts";

/** What all uploads of this page come to, and what the engine does for them. */
export class ActivityPanel {
  readonly #uploader: Uploader;
  readonly #rows: RowSet;
  readonly #panel = byId("activity");
  readonly #chart = new SpeedChart();
  readonly #summary = byId("upload-summary");
  readonly #total = byId("upload-total") as HTMLProgressElement;
  #activity: Activity | undefined;
  #timer: number | undefined;
  #frame = 0;

  constructor(uploader: Uploader, rows: RowSet) {
    this.#uploader = uploader;
    this.#rows = rows;
    uploader.addEventListener("progress", () => this.update());
    // The engine tells only those who listen, and nobody needs to know what nobody sees.
    observeVisibility(this.#panel, (visible) => {
      if (visible) uploader.addEventListener("activity", this.#take);
      else uploader.removeEventListener("activity", this.#take);
    });
    this.relabel();
  }

  /** Shows how things stand; may be called many times between two frames. */
  update(): void {
    this.#frame ||= requestAnimationFrame(() => this.#show());
  }

  /** Says everything again, in the page's language. */
  relabel(): void {
    this.#chart.draw();
    this.#showEngine();
    this.update();
  }

  #show(): void {
    this.#frame = 0;
    const { count, done, failed, ended } = this.#rows.counts;
    const active = ended < count;
    const { loaded, total, rate, etaSeconds } = this.#uploader.progress;
    this.#panel.classList.toggle("idle", count === 0);
    this.#panel.dataset.state = active || count === 0 ? "uploading" : failed > 0 ? "paused" : "available";

    const texts = messages();
    const figures = [count > 0 ? plural(texts.uploadedOf, count, { done: integer(done) }) : texts.idle];
    if (failed > 0) figures.push(plural(texts.failedCount, failed));
    if (active) figures.push(percent(loaded, total));
    if (active && etaSeconds) figures.push(timeLeft(etaSeconds));
    setText(this.#summary, figures.join(" · "));
    setText(byId("speed-now"), active ? speed(rate) : "");
    this.#total.max = active ? total || 1 : 1;
    this.#total.value = active ? loaded : count > 0 ? 1 : 0;
    if (active) this.#timer ??= setInterval(() => this.#sample(), SAMPLE_EVERY_MS);
  }

  #sample(): void {
    const { count, ended } = this.#rows.counts;
    this.#chart.add(ended < count ? this.#uploader.progress.rate : 0);
    if (ended < count || !this.#chart.empty) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  readonly #take = ({ detail }: CustomEvent<Activity>): void => {
    // What is sent is in flight, by whomever.
    this.#activity = { ...detail, inFlight: detail.inFlight + (detail.deltas?.sending ?? 0) };
    this.#showEngine();
  };

  #showEngine(): void {
    const activity = this.#activity;
    for (const figure of FIGURES)
      setText(byId(`engine-${figure}`), activity ? integer(activity[figure]) : "–");
    setText(byId("engine-rate"), (activity && speed(activity.rate)) || "–");
  }
}

const FIGURES = ["window", "inFlight", "waiting", "retries", "hedges"] as const;

// Source: own choice; 120 points make the curve of a minute.
const SAMPLE_EVERY_MS = 500;
