/** The file that a download's bytes are written to. */
import { UploadError } from "../errors.js";
import { openPrivateFile, writeWhole } from "../private-file-access.js";
import { writingFailure } from "./failures.js";
import type { PostedPlace } from "./messages.js";

/** Bytes come in any order; what is not written is zero. */
export interface Target {
  write(bytes: Uint8Array<ArrayBuffer>, at: number): Promise<void> | void;
  /** Has what was written stay when the page dies, where that is possible. */
  flush(): void;
  /** Whether the content is proven; a picked file keeps what it had where it is not. */
  close(isProven: boolean): Promise<void> | void;
}

/** Opens a file of which so many bytes will be written. */
export async function openTarget(place: PostedPlace, size: number): Promise<Target> {
  return "path" in place ? openPrivateTarget(place.path, size) : openPickedTarget(place.handle);
}

/** Rejects with the `UploadError` for what goes wrong where bytes are written. */
export async function written(write: () => Promise<void> | void): Promise<void> {
  try {
    await write();
  } catch (cause) {
    throw new UploadError(writingFailure(cause), { cause });
  }
}

async function openPrivateTarget(path: readonly string[], size: number): Promise<Target> {
  const file = await openPrivateFile(path);
  try {
    // Tells at once where there is no room.
    file.truncate(size);
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    write: (bytes, at) => writeWhole(file, bytes, at),
    flush: () => file.flush(),
    close: () => file.close(),
  };
}

/** Browsers write it beside the file, and put it in its place in the end. */
async function openPickedTarget(handle: FileSystemFileHandle): Promise<Target> {
  const writable = await handle.createWritable();
  return {
    write: (data, position) => writable.write({ type: "write", position, data }),
    flush() {},
    close: (isProven) => (isProven ? writable.close() : writable.abort()),
  };
}
