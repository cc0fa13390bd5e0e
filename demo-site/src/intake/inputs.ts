import { byId } from "../page.ts";
import { type ChosenFile, inOrder, type Intake, loose } from "./intake.ts";
import { takeTransfer } from "./transfer.ts";

/** Hands over what a person picks, drops anywhere on the page, or pastes. */
export function openIntake(intake: Intake): void {
  onPicked("file-input", (files) => intake.files(files.map(loose)));
  onPicked("folder-input", (files) => {
    for (const [name, inFolder] of byFolder(files)) intake.folder(name, inFolder);
  });
  onDropped((transfer) => takeTransfer(transfer, intake));
  addEventListener("paste", ({ clipboardData }) => {
    if (clipboardData?.types.includes("Files")) takeTransfer(clipboardData, intake);
  });
  // Telephones have no folders to choose from.
  byId("folder-choice").hidden = !("webkitdirectory" in HTMLInputElement.prototype);
}

function onPicked(id: string, take: (files: File[]) => void): void {
  const input = byId(id) as HTMLInputElement;
  input.addEventListener("change", () => {
    take([...(input.files ?? [])]);
    input.value = ""; // so that the same can be picked again
  });
}

function onDropped(take: (transfer: DataTransfer) => void): void {
  const zone = byId("drop");
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
    if (event.dataTransfer) take(event.dataTransfer);
  });
}

function carriesFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

/** `webkitRelativePath` begins with the chosen folder's name and ends with the file's. */
function byFolder(files: File[]): Map<string, ChosenFile[]> {
  const folders = new Map<string, ChosenFile[]>();
  for (const file of files) {
    const path = file.webkitRelativePath.split("/").slice(0, -1);
    const name = path[0] ?? "";
    const inFolder = folders.get(name) ?? [];
    folders.set(name, inFolder);
    inFolder.push({ ...loose(file), path: path.join("/") });
  }
  for (const inFolder of folders.values()) inFolder.sort((a, b) => inOrder(place(a), place(b)));
  return folders;
}

function place({ path, name }: ChosenFile): string {
  return `${path}/${name}`;
}
