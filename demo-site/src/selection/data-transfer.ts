import { filesOfEntry, filesOfHandle, fromHandle } from "./folder-walk.ts";
import { type SelectedFile, type FileReceiver, withoutFolder } from "./selected-file.ts";

/**
 * Takes what was dropped or pasted, folders with all that is in them. Handles are asked for where the browser has them:
 * by one, an upload goes on after a reload without asking for the file again.
 */
export function readDataTransfer(transfer: DataTransfer, receiver: FileReceiver): void {
  // A transfer is empty once its event is over, so all items are asked now and read later.
  const items = [...transfer.items].filter(({ kind }) => kind === "file").map(openItem);
  void handOver(items, receiver);
}

interface OpenedItem {
  handle: Promise<FileSystemHandle | null>;
  entry: FileSystemEntry | null;
  file: File | null;
}

function openItem(item: ItemWithHandle): OpenedItem {
  const handle = item.getAsFileSystemHandle?.() ?? Promise.resolve(null);
  return {
    // Refused for what the browser protects, and for files that were never on a disk.
    handle: handle.catch(() => null),
    entry: item.webkitGetAsEntry(),
    file: item.getAsFile(),
  };
}

/** Not in every browser, and so not in TypeScript's library. */
interface ItemWithHandle extends DataTransferItem {
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
}

async function handOver(items: OpenedItem[], receiver: FileReceiver): Promise<void> {
  const files: SelectedFile[] = [];
  for (const { handle: opening, entry, file } of items) {
    const handle = await opening;
    if (handle?.kind === "directory") {
      receiver.folder(handle.name, filesOfHandle(handle as FileSystemDirectoryHandle, handle.name));
    } else if (entry?.isDirectory) {
      receiver.folder(entry.name, filesOfEntry(entry as FileSystemDirectoryEntry, entry.name));
    } else {
      const opened = handle && (await fromHandle(handle as FileSystemFileHandle, ""));
      const chosen = opened ?? (file && withoutFolder(file));
      if (chosen) files.push(chosen);
    }
  }
  if (files.length > 0) receiver.files(files);
}
