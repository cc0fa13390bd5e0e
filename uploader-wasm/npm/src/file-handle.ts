import { UploadError } from "./errors.js";
import { UNREADABLE } from "./failures.js";

/** Asking for permission needs a page and a person's click, so no worker can do it. */
export async function reopenHandle(handle: HandleWithPermission | undefined): Promise<File> {
  let cause: unknown;
  try {
    if (handle && (await handle.requestPermission?.({ mode: "read" })) !== "denied")
      return await handle.getFile();
  } catch (error) {
    cause = error;
  }
  throw new UploadError(UNREADABLE, { cause });
}

/** `requestPermission` is in Chromium only, and so not in TypeScript's library. */
interface HandleWithPermission extends FileSystemFileHandle {
  requestPermission?(options: { mode: "read" }): Promise<PermissionState>;
}
