import type { FileRecord } from "../types.js";

/** The files of a form state that the browser kept; a version of another day may have written it. */
export function parseRecords(state: string): FileRecord[] {
  let value: unknown;
  try {
    value = JSON.parse(state);
  } catch {
    return [];
  }
  const isRecord = (one: unknown) => {
    const { fileId, name } = (one ?? {}) as Partial<FileRecord>;
    return typeof fileId === "string" && typeof name === "string";
  };
  return Array.isArray(value) ? value.filter(isRecord) : [];
}
