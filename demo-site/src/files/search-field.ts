import { byId } from "../dom.ts";

/** Calls `search` with what stands in the search field, once the person pauses or asks for it. */
export function onSearchInput(search: (start: string) => void): void {
  const field = byId("file-search") as HTMLInputElement;
  let timer: number | undefined;
  const now = () => {
    clearTimeout(timer);
    search(field.value);
  };
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(now, PAUSE_MS);
  });
  field.addEventListener("search", now);
}

// Source: own choice; longer than between two keys of somebody who types, shorter than one would call waiting.
const PAUSE_MS = 200;
