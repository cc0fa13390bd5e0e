/** How files are cut where Uppy has to be told beforehand. */

const MIB = 1024 * 1024;

/** Source: `MIN_PART_SIZE` of `protocol/src/parts.rs`. */
const MIN_PART_SIZE = 5 * MIB;

/** Source: `MAX_PART_COUNT` of `protocol/src/parts.rs`. */
const MAX_PART_COUNT = 10_000;

/** Source: `default_part_size` of `protocol/src/parts.rs`: larger files have larger parts, within these bounds. */
const MIN_DEFAULT = 16 * MIB;
const MAX_DEFAULT = 64 * MIB;
const TARGET_PARTS = 64;

/** The part size for a file of `size` bytes: `wished` where 10,000 of them suffice, else the coordinator's own choice. */
export function partSizeFor(size: number, wished: number | undefined): number {
  const needed = roundUpToMib(size / MAX_PART_COUNT);
  if (wished !== undefined) return Math.max(wished, needed, MIN_PART_SIZE);
  return Math.max(Math.min(Math.max(roundUpToMib(size / TARGET_PARTS), MIN_DEFAULT), MAX_DEFAULT), needed);
}

/** A part size that makes one part of the whole file. */
export function singlePartSize(size: number): number {
  return Math.max(size, MIN_PART_SIZE);
}

/** Rounded up to whole mebibytes. */
function roundUpToMib(bytes: number): number {
  return Math.ceil(bytes / MIB) * MIB;
}
