const PREFIX = "syncsphere-upload:";

/**
 * Which tab an upload belongs to. It is a Web Lock, so that it is free again when a tab closes or
 * crashes. Where there are no locks, every upload counts as free.
 */
export class Ownership {
  #releases = new Map<string, () => void>();

  /** Whether the upload is this tab's now. */
  async take(uploadId: string): Promise<boolean> {
    if (this.#releases.has(uploadId)) return true;
    if (!navigator.locks) return true;
    return new Promise((resolve) => {
      void navigator.locks.request(PREFIX + uploadId, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        if (lock) return new Promise<void>((release) => this.#releases.set(uploadId, release));
      });
    });
  }

  release(uploadId: string): void {
    this.#releases.get(uploadId)?.();
    this.#releases.delete(uploadId);
  }

  /** The uploads that belong to any tab, this one included. */
  async all(): Promise<Set<string>> {
    const held = (await navigator.locks?.query())?.held ?? [];
    const names = held.map((lock) => lock.name ?? "").filter((name) => name.startsWith(PREFIX));
    return new Set(names.map((name) => name.slice(PREFIX.length)));
  }
}
