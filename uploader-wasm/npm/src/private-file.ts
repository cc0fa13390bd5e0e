/** Files of the origin's private file system, by their names. */

/** Where a file is: its folders' names, and its own. */
export type PrivatePath = readonly string[];

/** Rejects where it is missing, unless it is to be made; its folders have to be there. */
export async function privateFile(path: PrivatePath, create = false): Promise<FileSystemFileHandle> {
  return (await folderOf(path)).getFileHandle(path.at(-1)!, { create });
}

/** Removes it, if it is there. Rejects where somebody writes it. */
export async function removePrivateFile(path: PrivatePath): Promise<void> {
  try {
    await (await folderOf(path)).removeEntry(path.at(-1)!);
  } catch (error) {
    if ((error as Error).name !== "NotFoundError") throw error;
  }
}

async function folderOf(path: PrivatePath): Promise<FileSystemDirectoryHandle> {
  let folder = await navigator.storage.getDirectory();
  for (const name of path.slice(0, -1)) folder = await folder.getDirectoryHandle(name);
  return folder;
}
