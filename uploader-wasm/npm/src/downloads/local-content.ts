import { ContentHasher, type Segment } from "../deltas/content-hasher.js";

/** What of a stored file is in a file of this machine, found by the content index of both. */
export class LocalContent {
  #file: Blob;
  #segments: Segment[];

  private constructor(file: Blob, segments: Segment[]) {
    this.#file = file;
    this.#segments = segments;
  }

  /**
   * Reads `file` once, to its end. `stored` is the stored file's index, as the coordinator gives it. Rejects with an `UploadError` where the file cannot be read
   * or compared, and with the signal's reason.
   */
  static async compare(
    file: Blob,
    stored: Uint8Array<ArrayBuffer>,
    { deltaWorkerUrl, signal }: { deltaWorkerUrl: string | URL | undefined; signal: AbortSignal },
  ): Promise<LocalContent> {
    const hasher = new ContentHasher({ deltaWorkerUrl });
    try {
      const { packed } = await hasher.index(file, hasher.cuttingOf(stored), { signal });
      return new LocalContent(file, await hasher.plan(packed, stored));
    } finally {
      hasher.end();
    }
  }

  /** These bytes of the stored file; `undefined` where the local one lacks some of them. */
  slice(at: number, length: number): Blob | undefined {
    const end = at + length;
    const within = this.#segments.filter((one) => one.offset < end && one.offset + one.length > at);
    const pieces = [];
    for (const { offset, length, from } of within) {
      if (from === undefined) return undefined;
      const start = Math.max(at, offset);
      pieces.push(this.#file.slice(from + start - offset, from + Math.min(end, offset + length) - offset));
    }
    return new Blob(pieces);
  }
}
