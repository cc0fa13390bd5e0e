import type { InterruptedUpload, Uploader } from "@syncsphere/uploader";
import { bytesOf, shownName } from "./figures.ts";
import { byId, control, copyTemplate, nameControls, part, setText } from "./page.ts";
import type { UploadList } from "./upload-list.ts";
import { sentence } from "./wording.ts";

/** Offers to go on with what an earlier page left unfinished. */
export async function offerInterrupted(uploader: Uploader, uploads: UploadList): Promise<void> {
  const left = await uploader.interrupted();
  byId("interrupted-list").append(...left.map((upload) => row(upload, uploader, uploads)));
  showIfAny();
}

function row(upload: InterruptedUpload, uploader: Uploader, uploads: UploadList): HTMLElement {
  const { uploadId, name, size, loaded, needsFile } = upload;
  const element = copyTemplate("interrupted-template");
  const problem = part(element, "problem");
  const picker = control<HTMLInputElement>(element, "continue-file");
  element.dataset.name = name;
  element.dataset.uploadId = uploadId;
  part(element, "name").textContent = shownName(name);
  setText(part(element, "amount"), bytesOf(loaded, size));
  setText(part(element, "hint"), needsFile ? "Choose the same file again to go on" : "");
  nameControls(element, shownName(name));

  const goOn = async (file?: File): Promise<void> => {
    problem.hidden = true;
    try {
      const task = await uploader.continue(uploadId, file);
      uploads.follow(name, size, () => task);
      element.remove();
      showIfAny();
    } catch (error) {
      setText(problem, sentence(error));
      problem.hidden = false;
    }
  };
  control(element, "continue").addEventListener("click", () => void (needsFile ? picker.click() : goOn()));
  picker.addEventListener("change", () => {
    const file = picker.files?.[0];
    picker.value = "";
    if (file) void goOn(file);
  });
  return element;
}

function showIfAny(): void {
  byId("interrupted").hidden = byId("interrupted-list").childElementCount === 0;
}
