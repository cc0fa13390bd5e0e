/**
 * Shortest time between two looks, in ms.
 *
 * Source: `UploaderEventMap.activity` and `UploadTaskEventMap.parts`, four a second.
 */
const POLL_INTERVAL = 250;

/** Looks at what the page watches: uploads by their numbers, and by 0 the engine as a whole. */
export class ChangePoller {
  #poll: (subject: number) => void;
  /** What was last found of each. */
  #last = new Map<number, ArrayLike<number>>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(poll: (subject: number) => void) {
    this.#poll = poll;
  }

  /** Looks at once, and then again and again. */
  start(subject: number): void {
    this.#last.set(subject, []);
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#pollAll(), POLL_INTERVAL);
    this.#pollAll();
  }

  stop(subject: number): void {
    this.#last.delete(subject);
    if (this.#last.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Whether this differs from what was found of the subject before. */
  hasChanged(subject: number, found: ArrayLike<number>): boolean {
    const before = this.#last.get(subject);
    this.#last.set(subject, found);
    return (
      !before ||
      before.length !== found.length ||
      Array.prototype.some.call(found, (value, i) => value !== before[i])
    );
  }

  #pollAll(): void {
    for (const subject of this.#last.keys()) this.#poll(subject);
  }
}
