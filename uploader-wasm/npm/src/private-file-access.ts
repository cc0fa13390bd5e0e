/** How workers write private files: in place. */
import { privateFile, type PrivatePath } from "./private-file.js";

/** How often a file is asked for that the worker of an earlier page may still hold, and the pause between, in ms. Source: own choice. */
const MAX_OPENINGS = 50;
const OPENING_PAUSE = 100;

/** Opens a file for nobody else. Rejects with a `NoModificationAllowedError` where somebody keeps it. */
export async function openPrivateFile(path: PrivatePath): Promise<FileSystemSyncAccessHandle> {
  const file = await privateFile(path, true);
  for (let opening = 1; ; opening++) {
    try {
      return await file.createSyncAccessHandle();
    } catch (error) {
      const isHeld = (error as Error).name === "NoModificationAllowedError";
      if (!isHeld || opening === MAX_OPENINGS) throw error;
      await new Promise((resolve) => setTimeout(resolve, OPENING_PAUSE));
    }
  }
}

/** Replaces what a file has. */
export async function writePrivateText(path: PrivatePath, text: string): Promise<void> {
  const file = await openPrivateFile(path);
  try {
    file.truncate(0);
    writeWhole(file, new TextEncoder().encode(text), 0);
    file.flush();
  } finally {
    file.close();
  }
}

/** Throws a `QuotaExceededError` where there is no room. */
export function writeWhole(file: FileSystemSyncAccessHandle, bytes: Uint8Array, at: number): void {
  // Some browsers write less and say nothing.
  if (file.write(bytes, { at }) < bytes.length) throw diskFull();
}

export function diskFull(): DOMException {
  return new DOMException("the disk is full", "QuotaExceededError");
}
