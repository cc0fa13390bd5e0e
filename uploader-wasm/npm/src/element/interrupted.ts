import { UploadError, type UploadTask, type Uploader } from "../index.js";
import type { InterruptedUpload } from "../types.js";
import type { UploadSource } from "./row.js";

/** What is done with an upload that a person wants to go on with. */
export interface OfferHost {
  /** Uploads the file anew, where nothing is kept any more. */
  begin(file: File): UploadTask;
  /** It goes on as this task. */
  goesOn(task: UploadTask): void;
}

/** What an earlier page left unfinished, as a row offers it. Where the file is needed, a picker is opened in `root`. */
export function offer(
  upload: Pick<InterruptedUpload, "uploadId" | "name" | "size" | "loaded" | "needsFile">,
  uploader: Uploader,
  root: ShadowRoot,
  host: OfferHost,
): UploadSource {
  const { uploadId, name, size, loaded } = upload;
  let { needsFile } = upload;
  let file: File | undefined;
  return {
    name,
    kept: { uploadId, part: size > 0 ? loaded / size : 0 },
    async start(kept) {
      if ((needsFile || !kept) && !(file ??= await chooseFile(root))) return undefined;
      try {
        const task = kept ? await uploader.continue(kept, file) : host.begin(file as File);
        host.goesOn(task);
        return task;
      } catch (error) {
        // The browser no longer lets us at it, or it is gone: a person may know where it is.
        if (error instanceof UploadError && error.code === "file_unreadable") needsFile = true;
        throw error;
      }
    },
    discard: () => uploader.discard(uploadId),
  };
}

/** Opens a picker for one file, in a shadow tree: some browsers forget inputs that are nowhere. */
function chooseFile(root: ShadowRoot): Promise<File | undefined> {
  const input = document.createElement("input");
  input.type = "file";
  input.hidden = true;
  root.append(input);
  return new Promise((resolve) => {
    const end = () => {
      input.remove();
      resolve(input.files?.[0]);
    };
    input.addEventListener("change", end);
    input.addEventListener("cancel", end);
    input.click();
  });
}
