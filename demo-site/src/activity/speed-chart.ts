import { speed } from "../format.ts";
import { interpolate, messages } from "../language/messages.ts";
import { byId, setText } from "../dom.ts";

/** The speed of the last minute, as a curve and in words. */
export class SpeedChart {
  readonly #svg = byId("speed-chart");
  readonly #line = byId("speed-line");
  readonly #area = byId("speed-area");
  readonly #scale = byId("speed-scale");
  readonly #samples: Sample[] = [];

  /** Whether the last minute has seen anything move. */
  get empty(): boolean {
    return this.#samples.every(({ rate }) => rate === 0);
  }

  /** Takes the speed of this moment, in bytes a second, and draws it with those before. */
  add(rate: number): void {
    const now = performance.now();
    this.#samples.push({ at: now, rate });
    while ((this.#samples[1]?.at ?? now) < now - SPAN_MS) this.#samples.shift();
    this.draw();
  }

  draw(): void {
    const most = Math.max(...this.#samples.map(({ rate }) => rate), 0);
    const top = niceAbove(most);
    const now = this.#samples.at(-1)?.at ?? 0;
    const points = this.#samples.map(({ at, rate }) => {
      const x = Math.max(0, WIDTH * (1 - (now - at) / SPAN_MS));
      return `${x.toFixed(1)} ${(HEIGHT * (1 - rate / top)).toFixed(1)}`;
    });
    const curve = most > 0 ? `M${points.join("L")}` : "";
    const left = points[0]?.split(" ")[0] ?? "0";
    this.#line.setAttribute("d", curve);
    this.#area.setAttribute("d", curve && `${curve}V${HEIGHT}H${left}Z`);
    setText(this.#scale, most > 0 ? speed(top) : "");
    const { speedNow, speedIdle } = messages();
    const current = this.#samples.at(-1)?.rate ?? 0;
    this.#svg.ariaLabel =
      most > 0 ? interpolate(speedNow, { now: speed(current) || "0", most: speed(most) }) : speedIdle;
  }
}

interface Sample {
  /** Milliseconds of the page's clock. */
  at: number;
  rate: number;
}

/** What the page says that the chart shows. */
const SPAN_MS = 60_000;

/** Source: the `viewBox` in index.html. */
const WIDTH = 600;
const HEIGHT = 100;

/** 1, 2 or 5 times a power of ten, a little above the curve. */
function niceAbove(most: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most)));
  const factor = [1, 2, 5].find((factor) => factor * power >= most * 1.05) ?? 10;
  return factor * power;
}
