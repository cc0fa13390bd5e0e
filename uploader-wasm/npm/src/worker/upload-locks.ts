const PREFIX = "syncsphere-upload:";

/**
 * Which tab an upload belongs to. It is a Web Lock, so that it is free again when a tab closes or
 * crashes. Where there are no locks (`http://` pages), or they are refused, a tab knows of its own uploads only.
 */
export class UploadLocks {
  #releases = new Map<string, () => void>();
  /** Those that this tab holds, asks for or is just giving back. */
  #own = new Set<string>();

  /** Whether the upload is this tab's now. */
  async acquire(uploadId: string): Promise<boolean> {
    if (this.#releases.has(uploadId)) return true;
    this.#own.add(uploadId);
    return new Promise((resolve) => {
      const hold = (lock: Lock | null): Promise<void> | undefined => {
        resolve(lock !== null);
        if (lock) return new Promise<void>((release) => this.#releases.set(uploadId, release));
      };
      const request = async () => navigator.locks.request(PREFIX + uploadId, { ifAvailable: true }, hold);
      void request()
        .catch(() => {
          this.#releases.set(uploadId, () => this.#own.delete(uploadId));
          resolve(true);
        })
        .then(() => this.#releases.has(uploadId) || this.#own.delete(uploadId));
    });
  }

  release(uploadId: string): void {
    this.#releases.get(uploadId)?.();
    this.#releases.delete(uploadId);
  }

  /** The uploads that belong to other tabs. */
  async heldByOthers(): Promise<string[]> {
    const all = await this.held();
    return [...all].filter((uploadId) => !this.#own.has(uploadId));
  }

  /** The uploads that belong to any tab, this one included. */
  async held(): Promise<Set<string>> {
    const query = async () => (await navigator.locks.query()).held ?? [];
    const names = (await query().catch(() => []))
      .map((lock) => lock.name ?? "")
      .filter((name) => name.startsWith(PREFIX));
    return new Set([...names.map((name) => name.slice(PREFIX.length)), ...this.#releases.keys()]);
  }
}
