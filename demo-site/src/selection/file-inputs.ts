import { byId } from "../dom.ts";
import { type SelectedFile, naturalOrder, type FileReceiver, withoutFolder } from "./selected-file.ts";
import { readDataTransfer } from "./data-transfer.ts";

/** Hands over what a person picks, drops anywhere on the page, or pastes. */
export function listenForFiles(receiver: FileReceiver): void {
  onPicked("file-input", (files) => receiver.files(files.map(withoutFolder)));
  onPicked("folder-input", (files) => {
    for (const [name, inFolder] of byFolder(files)) receiver.folder(name, inFolder);
  });
  onDropped((transfer) => readDataTransfer(transfer, receiver));
  addEventListener("paste", ({ clipboardData }) => {
    if (clipboardData?.types.includes("Files")) readDataTransfer(clipboardData, receiver);
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
function byFolder(files: File[]): Map<string, SelectedFile[]> {
  const folders = new Map<string, SelectedFile[]>();
  for (const file of files) {
    const path = file.webkitRelativePath.split("/").slice(0, -1);
    const name = path[0] ?? "";
    const inFolder = folders.get(name) ?? [];
    folders.set(name, inFolder);
    inFolder.push({ ...withoutFolder(file), path: path.join("/") });
  }
  for (const inFolder of folders.values()) inFolder.sort((a, b) => naturalOrder(place(a), place(b)));
  return folders;
}

function place({ path, name }: SelectedFile): string {
  return `${path}/${name}`;
}
