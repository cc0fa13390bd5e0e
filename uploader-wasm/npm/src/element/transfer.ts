import { FolderUpload } from "../folder-upload.js";
import type { UploadTask } from "../index.js";
import type { Uploadable } from "../types.js";

/** Begins the upload of a file that was found, or leaves it out. By `content`, which may be a handle, a later page can go on. */
type Take = (file: File, content: Uploadable, folder: string | undefined) => UploadTask | undefined;

/**
 * Hands on each file of what was dropped or pasted, and of the folders in it, until the signal fires. The first of what
 * the browser cannot read, and of the folders without files, is told.
 */
export async function takeTransfer(
  source: DataTransfer,
  signal: AbortSignal,
  take: Take,
): Promise<{ unreadable?: string; empty?: string }> {
  const unreadable: string[] = [];
  const walk = new FolderUpload(source, { signal }, async (content, folder) => {
    let file: File;
    try {
      file = "getFile" in content ? await content.getFile() : (content as File);
    } catch {
      unreadable.push((content as FileSystemFileHandle).name);
      return undefined;
    }
    return signal.aborted ? undefined : take(file, content, folder);
  });
  await walk;
  return { unreadable: unreadable[0] ?? walk.unreadable[0], empty: walk.emptyFolders[0] };
}
