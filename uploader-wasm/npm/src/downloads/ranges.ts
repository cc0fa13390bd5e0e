/** The ranges that a file is fetched in, and which of them are done. */
import { Crc64NvmePieces } from "../crc64nvme-pieces.js";

/** Least size of a range but the last. Source: own choice; lost again where a connection breaks. */
const RANGE_SIZE = 8 * 1024 * 1024;

/** Most ranges, so that what is noted of them stays small. Source: own choice, that of parts. */
const MAX_RANGES = 10_000;

/** Of one file. */
export class Ranges {
  /** Of the file, in bytes. */
  readonly size: number;
  #rangeSize: number;
  /** CRC64NVME in base64 of what is done. */
  #checksums: (string | null)[];

  /** With what is `known` of an earlier page's, where it is of as many ranges. */
  constructor(size: number, known: readonly (string | null)[] = []) {
    this.size = size;
    this.#rangeSize = Math.max(RANGE_SIZE, Math.ceil(size / MAX_RANGES));
    const count = Math.ceil(size / this.#rangeSize);
    this.#checksums = known.length === count ? [...known] : Array.from({ length: count }, () => null);
  }

  at(index: number): number {
    return index * this.#rangeSize;
  }

  lengthOf(index: number): number {
    return Math.min(this.#rangeSize, this.size - this.at(index));
  }

  /** What is still to be fetched. */
  get missing(): number[] {
    return [...this.#checksums.keys()].filter((index) => this.#checksums[index] === null);
  }

  finish(index: number, checksum: string): void {
    this.#checksums[index] = checksum;
  }

  /** Bytes of what is done. */
  get finished(): number {
    return this.size - this.missing.reduce((bytes, index) => bytes + this.lengthOf(index), 0);
  }

  /** CRC64NVME of each range in base64, `null` where it is missing. */
  get checksums(): readonly (string | null)[] {
    return this.#checksums;
  }

  /** CRC64NVME of the whole in base64, once all is done. */
  get checksum(): string {
    const pieces = new Crc64NvmePieces();
    this.#checksums.forEach((checksum, index) => pieces.append(checksum!, this.lengthOf(index)));
    return pieces.value;
  }
}
