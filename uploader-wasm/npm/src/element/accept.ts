/**
 * Whether a file is of a kind that an `accept` attribute names, for files that do not come from the picker.
 *
 * Source: HTML Standard, `<input type=file>`, the accept attribute: `.ext`, `type/subtype`, `image/*`, with commas.
 */
export function isAccepted({ name, type }: { name: string; type: string }, accept: string): boolean {
  const kinds = accept
    .toLowerCase()
    .split(",")
    .map((kind) => kind.trim())
    .filter(Boolean);
  const fits = (kind: string) => {
    if (kind.startsWith(".")) return name.toLowerCase().endsWith(kind);
    if (kind.endsWith("/*")) return type.toLowerCase().startsWith(kind.slice(0, -1));
    return type.toLowerCase().split(";")[0]?.trim() === kind;
  };
  return kinds.length === 0 || kinds.some(fits);
}
