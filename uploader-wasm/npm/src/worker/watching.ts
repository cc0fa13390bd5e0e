/**
 * Shortest time between two looks, in ms.
 *
 * Source: `UploaderEventMap.activity` and `UploadTaskEventMap.parts`, four a second.
 */
const BETWEEN_LOOKS = 250;

/** Looks at what the page watches: uploads by their numbers, and by 0 the engine as a whole. */
export class Watching {
  #look: (subject: number) => void;
  /** What was last found of each. */
  #found = new Map<number, ArrayLike<number>>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(look: (subject: number) => void) {
    this.#look = look;
  }

  /** Looks at once, and then again and again. */
  start(subject: number): void {
    this.#found.set(subject, []);
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#lookAtAll(), BETWEEN_LOOKS);
    this.#lookAtAll();
  }

  end(subject: number): void {
    this.#found.delete(subject);
    if (this.#found.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Whether this differs from what was found of the subject before. */
  isNews(subject: number, found: ArrayLike<number>): boolean {
    const before = this.#found.get(subject);
    this.#found.set(subject, found);
    return (
      !before ||
      before.length !== found.length ||
      Array.prototype.some.call(found, (value, i) => value !== before[i])
    );
  }

  #lookAtAll(): void {
    for (const subject of this.#found.keys()) this.#look(subject);
  }
}
