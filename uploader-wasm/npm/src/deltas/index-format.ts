/** The form in which content indexes travel: what the page has to know of it. docs/api.md has all of it. */

/** Bytes of the packed form. */
const HEADER = 4;
const ENTRY = 44;

const FORMAT = 1;
const KINDS = ["content", "grid"] as const;

/** Of chunks of 4 GiB, whose length has no room in an index, would be the next. Source: `delta-core/src/cutting.rs` */
const MAX_LEVEL = 7;

/** How a file is cut: by its content or by a fixed grid; each level, 0 to 7, doubles the chunks' sizes. */
export interface Cutting {
  kind: "content" | "grid";
  level: number;
}

/** How the file of a packed index was cut; `undefined` where the bytes begin as no index does. */
export function readCutting(packed: Uint8Array): Cutting | undefined {
  const [format, kindNumber = 0, level = 0, reserved] = packed;
  const kind = KINDS[kindNumber - 1];
  const isWhole = packed.length >= HEADER && (packed.length - HEADER) % ENTRY === 0;
  if (!isWhole || format !== FORMAT || !kind || level > MAX_LEVEL || reserved !== 0) return undefined;
  return { kind, level };
}
