/** From which of its bases a file takes what. */
import { contentId, type Base, type FileToFind, type FoundBases } from "./bases.js";
import type { ContentHasher, ContentIndex, Cutting } from "./content-hasher.js";
import { GrowingPlan } from "./growing-plan.js";
import { readCutting } from "./index-format.js";

/** Least share of a file that has to be copied for it to be worth while. Source: own choice. */
const LEAST_SHARE = 0.1;

/** Files below go as one request. Source: `MIN_PART_SIZE` of `protocol/src/parts.rs` */
const MIN_PART_SIZE = 5 * 1024 * 1024;

/** Chunks of a file at most, if it is cut anew, and their size at level 0. Source: docs/api.md, "Only what changed". */
const MAX_CHUNKS = 5000;
const GRID = 8 * 1024 * 1024;

/** A base that has an index. */
export type IndexedBase = Base & Required<Pick<Base, "chunks">>;

/** The bases that a file of this size may be the same as, or take from: the best comes first. */
export function usableBases({ copies, equalParts, bases }: FoundBases, size: number): IndexedBase[] {
  if (!copies) return [];
  const indexed = bases.filter((base): base is IndexedBase => base.chunks !== undefined);
  // What is cut by content makes no parts of one size.
  return equalParts
    ? indexed.filter((base) => readCutting(base.chunks)?.kind === "grid" || base.size === size)
    : indexed;
}

/** The base that has this very content. */
export async function sameContent(
  bases: IndexedBase[],
  { content, size }: ContentIndex,
): Promise<Base | undefined> {
  for (const base of bases) if (base.size === size && (await contentId(base.chunks)) === content) return base;
  return undefined;
}

/**
 * Whether a file is planned against the first of its bases while it is read: that is the one named, or of the same folder and
 * name, so most of it is expected to be there.
 */
export function isPlannedEarly(
  { size, base }: Pick<FileToFind, "size" | "base">,
  first: IndexedBase,
  equalParts: boolean,
): boolean {
  const isVersion = first.sameName || first.fileId === base;
  return isVersion && canBeCut(size, readCutting(first.chunks)?.kind, equalParts);
}

/** The plan by which most is copied; `undefined` where that is too little. `early` is the one against the first, unless it is empty. */
export async function bestPlan(
  hasher: ContentHasher,
  bases: IndexedBase[],
  index: ContentIndex,
  equalParts: boolean,
  early: GrowingPlan,
): Promise<GrowingPlan | undefined> {
  const { packed, size } = index;
  const { kind, level } = hasher.cuttingOf(packed);
  if (!canBeCut(size, kind, equalParts)) return undefined;
  let best: GrowingPlan | undefined;
  let most = size * LEAST_SHARE;
  for (const { fileId, chunks } of bases) {
    const cutting = hasher.cuttingOf(chunks);
    if (cutting.kind !== kind || cutting.level !== level) continue;
    const isPlanned = early.from === fileId && early.segments.length > 0;
    const plan = isPlanned ? early : new GrowingPlan(fileId);
    if (!isPlanned) plan.end(index, await hasher.plan(chunks, packed));
    const copied = plan.segments.reduce(
      (sum, { from, length }) => sum + (from === undefined ? 0 : length),
      0,
    );
    if (copied < most) continue;
    most = copied;
    best = plan;
  }
  return best;
}

/** How a file is cut that is compared with none; `undefined` by content. */
export function cuttingFor(size: number, equalParts: boolean): Cutting | undefined {
  if (!equalParts) return undefined;
  let level = 0;
  while (size > MAX_CHUNKS * GRID * 2 ** level) level += 1;
  return { kind: "grid", level };
}

/** Bytes of the longest chunk of a file. */
export function longestChunk({ kind, level }: Cutting): number {
  return (kind === "grid" ? GRID : 2 * GRID) * 2 ** level;
}

/** Whether storage takes such chunks of a file of this size as parts. */
function canBeCut(size: number, kind: Cutting["kind"] | undefined, equalParts: boolean): boolean {
  return size >= MIN_PART_SIZE && (!equalParts || kind === "grid");
}
