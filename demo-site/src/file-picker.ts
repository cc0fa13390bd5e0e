import { byId } from "./page.ts";

/** Calls `take` with the files that a person picks or drops anywhere on the page. */
export function onFilesChosen(take: (files: File[]) => void): void {
  const input = byId("file-input") as HTMLInputElement;
  const zone = byId("drop");

  input.addEventListener("change", () => {
    take([...(input.files ?? [])]);
    input.value = ""; // so that the same file can be picked again
  });

  // A file dropped beside the zone would otherwise replace the page and end its uploads.
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    zone.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) zone.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    zone.classList.remove("over");
    if (!carriesFiles(event)) return;
    event.preventDefault();
    take([...(event.dataTransfer?.files ?? [])]);
  });
}

function carriesFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes("Files") ?? false;
}
