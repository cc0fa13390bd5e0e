import type { FileRecord } from "@syncsphere/uploader";

/** Whether a listed file comes before a new one where the newest is first. */
export function isNewer(listed: FileRecord | undefined, fresh: FileRecord): boolean {
  return (listed?.createdAt ?? "") > fresh.createdAt;
}

/** Whether a listed file comes before a new one in the order of names; of the same name, the older is first. */
export function isBeforeByName(listed: FileRecord | undefined, fresh: FileRecord): boolean {
  if (!listed) return false;
  const order = compareNames(listed.name, fresh.name);
  return order < 0 || (order === 0 && listed.createdAt <= fresh.createdAt);
}

/** As the coordinator orders names: by their UTF-8 bytes, that is by code points. */
function compareNames(one: string, other: string): number {
  const a = [...one];
  const b = [...other];
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i]?.codePointAt(0) ?? 0) - (b[i]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
