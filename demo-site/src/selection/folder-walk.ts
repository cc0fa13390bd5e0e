import { type SelectedFile, naturalOrder } from "./selected-file.ts";

/** All files below a folder, `path` being where it is; `null` for what cannot be read. */
export async function* filesOfHandle(
  folder: FileSystemDirectoryHandle,
  path: string,
): AsyncGenerator<SelectedFile | null> {
  if (isTooDeep(path)) return yield null;
  try {
    const within: FileSystemHandle[] = [];
    for await (const one of folder.values()) within.push(one);
    for (const one of within.sort((a, b) => naturalOrder(a.name, b.name))) {
      if (one.kind === "file") yield await fromHandle(one as FileSystemFileHandle, path);
      else yield* filesOfHandle(one as FileSystemDirectoryHandle, `${path}/${one.name}`);
    }
  } catch {
    yield null;
  }
}

/** The same where the browser gives no handles. */
export async function* filesOfEntry(
  folder: FileSystemDirectoryEntry,
  path: string,
): AsyncGenerator<SelectedFile | null> {
  if (isTooDeep(path)) return yield null;
  const reader = folder.createReader();
  try {
    const within: FileSystemEntry[] = [];
    let some: FileSystemEntry[];
    do {
      // Gives some at a time, and none at the end.
      some = await new Promise((read, fail) => reader.readEntries(read, fail));
      within.push(...some);
    } while (some.length > 0);
    for (const one of within.sort((a, b) => naturalOrder(a.name, b.name))) {
      if (one.isFile) yield await fromEntry(one as FileSystemFileEntry, path);
      else yield* filesOfEntry(one as FileSystemDirectoryEntry, `${path}/${one.name}`);
    }
  } catch {
    yield null;
  }
}

export async function fromHandle(handle: FileSystemFileHandle, path: string): Promise<SelectedFile | null> {
  try {
    const { name, size } = await handle.getFile();
    return { content: handle, name, size, path };
  } catch {
    return null;
  }
}

async function fromEntry(entry: FileSystemFileEntry, path: string): Promise<SelectedFile | null> {
  try {
    const content = await new Promise<File>((read, fail) => entry.file(read, fail));
    return { content, name: content.name, size: content.size, path };
  } catch {
    return null;
  }
}

/** Folders may be linked in a circle. Source: docs/api.md, the longest `path` that the coordinator takes. */
const LONGEST_PATH = 1024;

function isTooDeep(path: string): boolean {
  return new TextEncoder().encode(path).length > LONGEST_PATH;
}
