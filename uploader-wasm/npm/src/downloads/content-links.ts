import type { DownloadSource } from "./source.js";

/** Longest age of a link, in ms. Source: links last five minutes, docs/api.md; clocks of computers are off by more than that. */
const MAX_AGE = 240_000;

/** The link to one file's content, asked for anew when it is old or did not work. */
export class ContentLinks {
  #source: DownloadSource;
  #fileId: string;
  #signal: AbortSignal;
  #link: Promise<string> | undefined;
  #asked = 0;

  constructor(source: DownloadSource, fileId: string, signal: AbortSignal) {
    this.#source = source;
    this.#fileId = fileId;
    this.#signal = signal;
  }

  /** Rejects as `Workspace.content` does. Whoever asks meanwhile shares the answer. */
  async get(): Promise<string> {
    if (performance.now() - this.#asked > MAX_AGE) this.#link = undefined;
    const link = (this.#link ??= this.#ask());
    try {
      return await link;
    } catch (error) {
      if (this.#link === link) this.#link = undefined;
      throw error;
    }
  }

  /** This link did not work. */
  async drop(url: string): Promise<void> {
    const link = this.#link;
    if ((await link?.catch(() => {})) === url && this.#link === link) this.#link = undefined;
  }

  async #ask(): Promise<string> {
    this.#asked = performance.now();
    return (await this.#source.content(this.#fileId, { signal: this.#signal })).url;
  }
}
