/** How files are cut where Uppy has to be told beforehand. */

const MIB = 1024 * 1024;

/** Source: `MIN_PART_SIZE` of `protocol/src/parts.rs`. */
const MIN_PART_SIZE = 5 * MIB;

/** Source: `MAX_PART_COUNT` of `protocol/src/parts.rs`. */
const MAX_PART_COUNT = 10_000;

/** Source: `default_part_size` of `protocol/src/parts.rs`: larger files have larger parts, within these bounds. */
const SMALLEST = 16 * MIB;
const LARGEST = 64 * MIB;
const PARTS_AIMED_AT = 64;

/** The part size for a file of `size` bytes: `wished` where 10,000 of them suffice, else the coordinator's own choice. */
export function partSizeFor(size: number, wished: number | undefined): number {
  const needed = inMib(size / MAX_PART_COUNT);
  if (wished !== undefined) return Math.max(wished, needed, MIN_PART_SIZE);
  return Math.max(Math.min(Math.max(inMib(size / PARTS_AIMED_AT), SMALLEST), LARGEST), needed);
}

/** A part size that makes one part of the whole file. */
export function wholeSize(size: number): number {
  return Math.max(size, MIN_PART_SIZE);
}

/** Rounded up to whole mebibytes. */
function inMib(bytes: number): number {
  return Math.ceil(bytes / MIB) * MIB;
}
