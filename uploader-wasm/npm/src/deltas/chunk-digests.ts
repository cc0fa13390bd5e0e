/** SHA-256 of a file's chunks, by the browser, which computes it on other threads. */

/** What is hashed at a time: WebCrypto takes nothing in pieces. A chunk's digest is that of its pieces' digests. */
export const PIECE = 1024 * 1024;

/** Most pieces under way, each of which is held in memory. Source: own choice; more than browsers have threads for it. */
const MOST_UNDER_WAY = 8;

/** Source: FIPS 180-4. */
const DIGEST = 32;

/** The digests of one file's chunks, piece by piece. */
export class ChunkDigests {
  #piece = new Uint8Array(PIECE);
  #filled = 0;
  /** Of the chunk that has not ended yet. */
  #pieces: Promise<ArrayBuffer>[] = [];
  /** Of the chunks that have ended, as far as they were not given. */
  #chunks: ChunkDigest[] = [];
  #underWay = new Set<Promise<unknown>>();

  /** The chunk's next bytes, which are the caller's again once this is fulfilled. */
  async append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + PIECE - this.#filled);
      this.#piece.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === PIECE) await this.#endPiece();
    }
  }

  /** The next bytes are another chunk's. */
  async endChunk(): Promise<void> {
    if (this.#filled > 0) await this.#endPiece();
    const chunk = Promise.all(this.#pieces).then((digests) => sha256(joined(digests)));
    this.#pieces = [];
    const digest: ChunkDigest = { computed: this.#watched(chunk) };
    this.#chunks.push(digest);
    chunk.then(
      (bytes) => (digest.bytes = new Uint8Array(bytes)),
      () => {},
    );
  }

  /** Whether there are bytes of a chunk that has not ended. */
  get isWithinChunk(): boolean {
    return this.#filled > 0 || this.#pieces.length > 0;
  }

  /** The digests after those that were given, in order, as far as they are known by now. */
  known(): Uint8Array[] {
    const known: Uint8Array[] = [];
    for (let bytes; (bytes = this.#chunks[0]?.bytes); this.#chunks.shift()) known.push(bytes);
    return known;
  }

  /** Those of all the other chunks that have ended. */
  async rest(): Promise<Uint8Array[]> {
    const rest = this.#chunks.splice(0).map(({ computed }) => computed);
    return (await Promise.all(rest)).map((bytes) => new Uint8Array(bytes));
  }

  async #endPiece(): Promise<void> {
    // The browser has copied the bytes once this returns.
    const digest = sha256(this.#piece.subarray(0, this.#filled));
    this.#filled = 0;
    this.#pieces.push(this.#watched(digest));
    if (this.#underWay.size >= MOST_UNDER_WAY) await Promise.race(this.#underWay);
  }

  /** Who ends early hears of no failure. */
  #watched(digest: Promise<ArrayBuffer>): Promise<ArrayBuffer> {
    const settled: Promise<unknown> = digest.catch(() => {}).then(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
    return digest;
  }
}

interface ChunkDigest {
  computed: Promise<ArrayBuffer>;
  /** Once it is. */
  bytes?: Uint8Array;
}

function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", bytes);
}

function joined(digests: ArrayBuffer[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(digests.length * DIGEST);
  digests.forEach((digest, place) => all.set(new Uint8Array(digest), place * DIGEST));
  return all;
}
