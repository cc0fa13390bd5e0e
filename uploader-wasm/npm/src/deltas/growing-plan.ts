import { Growth } from "../growth.js";
import type { ContentIndex, Segment } from "./content-hasher.js";

/** The plan of a file that may still be read: its segments in order, as they become known. Part n is the n-th of them. */
export class GrowingPlan {
  /** The file that is copied from. */
  readonly from: string;
  readonly segments: Segment[] = [];
  #growth = new Growth();
  #index: ContentIndex | undefined;
  #failure: { error: unknown } | undefined;

  constructor(from: string) {
    this.from = from;
  }

  /** The file's, once it has been read. */
  get index(): ContentIndex | undefined {
    return this.#index;
  }

  add(segments: Segment[]): void {
    this.segments.push(...segments);
    this.#growth.reach(this.segments.length);
  }

  /** The file has been read; these are the last ones. */
  end(index: ContentIndex, rest: Segment[] = []): void {
    this.#index = index;
    this.add(rest);
    this.#growth.end();
  }

  /** The file cannot be read to its end: whoever waits, or asks later, is told this error. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.#growth.end();
  }

  /** Whether there is a segment at this place, from 0, once that is known. Rejects where the signal fires, or as told by `fail`. */
  async has(place: number, signal: AbortSignal): Promise<boolean> {
    const known = await this.#growth.upTo(place + 1, signal);
    if (this.#failure) throw this.#failure.error;
    return known > place;
  }

  /** Whether something is to be copied while the file is still read; `false` once it has been read. Rejects as `has`. */
  async copiesEarly(signal: AbortSignal): Promise<boolean> {
    for (let place = 0; await this.has(place, signal); place++)
      if (this.segments[place]!.from !== undefined) return !this.#index;
    return false;
  }

  /** The numbers of the parts that have to travel. Rejects as `has`. */
  async *partsToSend(signal: AbortSignal): AsyncGenerator<number, void, undefined> {
    for (let place = 0; await this.has(place, signal); place++)
      if (this.segments[place]!.from === undefined) yield place + 1;
  }
}
