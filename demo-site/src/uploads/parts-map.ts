import type { PartStates } from "@syncsphere/uploader";
import { plural, integer, messages } from "../language/messages.ts";
import { part, setText } from "../dom.ts";
import { onNewPalette, palette } from "./parts-palette.ts";

/** Where the parts of a file stand: a cell for each on a canvas, and the same in words. */
export class PartsMap {
  readonly #figure: HTMLElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #caption: HTMLElement;
  // Drawing changes the height, which must wait until all observers have been told.
  readonly #resized = new ResizeObserver(() => requestAnimationFrame(() => this.#fit()));
  readonly #repaint = () => this.#draw();
  #states: Uint8Array = new Uint8Array();
  /** The states again, more than once for parts that are larger than others. */
  #shown: Uint8Array = new Uint8Array();
  #drawn: { states: Uint8Array; grid: Grid } | undefined;

  /** `figure` has a canvas and a caption. */
  constructor(figure: HTMLElement) {
    this.#figure = figure;
    this.#canvas = part<HTMLCanvasElement>(figure, "parts-canvas");
    this.#caption = part(figure, "parts-words");
  }

  /** A file of one part shows nothing that its bar does not. */
  show({ states, sizes }: PartStates): void {
    if (states.length < 2) return;
    this.#states = states;
    this.#shown = sizes ? bySize(states, sizes) : states;
    if (this.#figure.hidden) {
      this.#figure.hidden = false;
      this.#resized.observe(this.#canvas);
      onNewPalette.add(this.#repaint);
    }
    this.#tell();
    this.#drawChanges();
  }

  hide(): void {
    if (this.#figure.hidden) return;
    this.#figure.hidden = true;
    this.#resized.disconnect();
    onNewPalette.delete(this.#repaint);
    this.#drawn = undefined;
  }

  /** Says and draws everything again, in the page's language and direction. */
  relabel(): void {
    if (this.#figure.hidden) return;
    this.#tell();
    this.#draw();
  }

  #tell(): void {
    setText(this.#caption, inWords(this.#states));
  }

  /** Cells that look as before are left alone: of 10,000 parts, few change between two reports. */
  #drawChanges(): void {
    const drawn = this.#drawn;
    if (drawn?.states.length !== this.#shown.length) return this.#draw();
    const context = this.#canvas.getContext("2d");
    if (!context) return;
    const { grid } = drawn;
    for (let cell = 0; cell < grid.cells; cell++) {
      const state = grid.stateOf(this.#shown, cell);
      if (state !== grid.stateOf(drawn.states, cell)) grid.paint(context, cell, state);
    }
    drawn.states = this.#shown;
  }

  #fit(): void {
    if (!this.#figure.hidden && this.#drawn?.grid.width !== this.#canvas.clientWidth) this.#draw();
  }

  #draw(): void {
    const width = this.#canvas.clientWidth;
    const context = this.#canvas.getContext("2d");
    if (width === 0 || !context) return;
    const grid = new Grid(this.#shown.length, width, getComputedStyle(this.#canvas).direction === "rtl");
    // The style sheet makes the canvas as wide as its row, and as high as these two want.
    const scale = devicePixelRatio || 1;
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(grid.height * scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    for (let cell = 0; cell < grid.cells; cell++) {
      grid.paint(context, cell, grid.stateOf(this.#shown, cell));
    }
    this.#drawn = { states: this.#shown, grid };
  }
}

/** Source: `PartStates.states` of the package. */
const State = { waiting: 0, inFlight: 1, hedged: 2, stored: 3, copied: 4 } as const;

/** Source: docs/api.md, the smallest part; and own choice, more than fit on a page. */
const SMALLEST_PART = 5 * 1024 * 1024;
const MOST_SHOWN = 10_000;

/** The state of each part, as often as it has so many bytes, and at least once. */
function bySize(states: Uint8Array, sizes: number[]): Uint8Array {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const unit = Math.max(SMALLEST_PART, total / MOST_SHOWN);
  const times = (part: number) => Math.max(1, Math.round((sizes[part] ?? 0) / unit));
  return Uint8Array.from([...states].flatMap((state, part) => Array<number>(times(part)).fill(state)));
}

function inWords(states: Uint8Array): string {
  const counts = [0, 0, 0, 0, 0];
  for (const state of states) counts[state] = (counts[state] ?? 0) + 1;
  const [waiting = 0, inFlight = 0, hedged = 0, sent = 0, copied = 0] = counts;
  const texts = messages();
  const others = [
    copied > 0 && plural(texts.partsCopied, copied),
    inFlight > 0 && plural(texts.partsInFlight, inFlight),
    hedged > 0 && plural(texts.partsHedged, hedged),
    waiting > 0 && plural(texts.partsWaiting, waiting),
  ];
  return [plural(texts.storedParts, states.length, { done: integer(sent + copied) }), ...others]
    .filter(Boolean)
    .join(" · ");
}

/** Heights of a cell in CSS pixels, and the most that all rows may take. Source: own choice. */
const HEIGHTS = [10, 8, 6, 5, 4, 3, 2];
const HIGHEST = 80;

/** Cells in rows, from the side where reading begins; few of them stretch over the whole width, like a bar. */
class Grid {
  readonly cells: number;
  readonly width: number;
  readonly height: number;
  readonly #parts: number;
  readonly #perCell: number;
  readonly #columns: number;
  readonly #cellHeight: number;
  readonly #rightToLeft: boolean;

  constructor(parts: number, width: number, rightToLeft: boolean) {
    const smallest = HEIGHTS.at(-1) ?? 2;
    const fits = (height: number) => Math.ceil(parts / inARow(height)) * height <= HIGHEST;
    const inARow = (height: number) => Math.max(1, Math.floor(width / height));
    this.#cellHeight = HEIGHTS.find(fits) ?? smallest;
    const most = inARow(this.#cellHeight) * Math.floor(HIGHEST / this.#cellHeight);
    this.#perCell = Math.max(1, Math.ceil(parts / most));
    this.cells = Math.ceil(parts / this.#perCell);
    this.#columns = Math.min(this.cells, inARow(this.#cellHeight));
    this.height = Math.ceil(this.cells / this.#columns) * this.#cellHeight;
    this.#parts = parts;
    this.width = width;
    this.#rightToLeft = rightToLeft;
  }

  /** Of several parts in a cell the liveliest shows, and all have to be stored, or copied, for the cell to be. */
  stateOf(states: Uint8Array, cell: number): number {
    const from = cell * this.#perCell;
    if (this.#perCell === 1) return states[from] ?? 0;
    let found: number = State.copied;
    for (let part = from; part < Math.min(from + this.#perCell, this.#parts); part++) {
      const state = states[part] ?? 0;
      if (rank(state) > rank(found)) found = state;
    }
    return found;
  }

  /** States differ in shape as well as in colour. */
  paint(context: CanvasRenderingContext2D, cell: number, state: number): void {
    const column = cell % this.#columns;
    const left = Math.round((column * this.width) / this.#columns);
    const full = Math.round(((column + 1) * this.width) / this.#columns) - left;
    const gap = this.#cellHeight >= 6 ? 2 : this.#cellHeight >= 4 ? 1 : 0;
    const width = Math.max(1, full - gap);
    const height = this.#cellHeight - gap;
    const x = this.#rightToLeft ? this.width - left - width : left;
    const y = Math.floor(cell / this.#columns) * this.#cellHeight;

    context.clearRect(x, y, width, height);
    context.fillStyle = palette()[state] ?? "";
    if (height < 6 || width < 6) {
      const waits = state === State.waiting;
      context.fillRect(x, waits ? y + Math.floor(height / 2) : y, width, waits ? 1 : height);
      return;
    }
    if (state === State.copied) return context.fillRect(x, y + Math.floor(height / 4), width, height / 2);
    context.fillRect(x, y, width, height);
    if (state === State.waiting) context.clearRect(x + 1, y + 1, width - 2, height - 2);
    if (state === State.inFlight) context.clearRect(x + 2, y + 2, width - 4, height - 4);
    if (state === State.hedged) context.clearRect(x + width / 2 - 1, y, 2, height);
  }
}

function rank(state: number): number {
  return [2, 3, 4, 1, 0][state] ?? 2;
}
