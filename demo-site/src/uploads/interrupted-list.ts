import type { InterruptedUpload, Uploader } from "@syncsphere/uploader";
import { bytesOf, shownName } from "../format.ts";
import { errorMessage } from "../language/error-message.ts";
import { messages } from "../language/messages.ts";
import { byId, control, copyTemplate, nameControls, part, setText } from "../dom.ts";
import type { UploadList } from "./upload-list.ts";

/** What earlier pages, and other tabs that are gone, left unfinished: offers to go on with it, or to forget it. */
export class InterruptedList {
  readonly #uploader: Uploader;
  readonly #uploads: UploadList;
  readonly #rows = new Map<string, Row>();

  constructor(uploader: Uploader, uploads: UploadList) {
    this.#uploader = uploader;
    this.#uploads = uploads;
  }

  /** Looks what there is now. */
  async refresh(): Promise<void> {
    const left = await this.#uploader.interrupted();
    const ids = new Set(left.map(({ uploadId }) => uploadId));
    for (const uploadId of this.#rows.keys()) if (!ids.has(uploadId)) this.#remove(uploadId);
    for (const upload of left) if (!this.#rows.has(upload.uploadId)) this.#add(upload);
    this.#showIfAny();
  }

  /** Says everything again, in the page's language. */
  relabel(): void {
    for (const row of this.#rows.values()) tell(row);
  }

  #add(upload: InterruptedUpload): void {
    const { uploadId, name, size, needsFile } = upload;
    const element = copyTemplate("interrupted-template");
    const picker = control<HTMLInputElement>(element, "continue-file");
    element.dataset.name = name;
    element.dataset.uploadId = uploadId;
    part(element, "name").textContent = shownName(name);
    nameControls(element, shownName(name));

    const goOn = (file?: File) =>
      this.#settle(uploadId, element, async () => {
        const task = await this.#uploader.continue(uploadId, file);
        this.#uploads.follow(name, size, task, file);
      });
    control(element, "continue").addEventListener("click", () => void (needsFile ? picker.click() : goOn()));
    picker.addEventListener("change", () => {
      const file = picker.files?.[0];
      picker.value = "";
      if (file) void goOn(file);
    });
    control(element, "discard").addEventListener(
      "click",
      () => void this.#settle(uploadId, element, () => this.#uploader.discard(uploadId)),
    );
    tell({ element, upload });
    this.#rows.set(uploadId, { element, upload });
    byId("interrupted-list").append(element);
  }

  /** Does what a person chose for an upload, which is no longer offered then. */
  async #settle(uploadId: string, element: HTMLElement, choice: () => Promise<void>): Promise<void> {
    const problem = part(element, "problem");
    problem.hidden = true;
    try {
      await choice();
      const hadFocus = element.contains(document.activeElement);
      this.#remove(uploadId);
      this.#showIfAny();
      if (hadFocus) byId("uploads-heading").focus();
    } catch (error) {
      setText(problem, errorMessage(error));
      problem.hidden = false;
    }
  }

  #remove(uploadId: string): void {
    this.#rows.get(uploadId)?.element.remove();
    this.#rows.delete(uploadId);
  }

  #showIfAny(): void {
    byId("interrupted").hidden = this.#rows.size === 0;
  }
}

interface Row {
  element: HTMLElement;
  upload: InterruptedUpload;
}

function tell({ element, upload: { loaded, size, needsFile } }: Row): void {
  setText(part(element, "amount"), bytesOf(loaded, size));
  setText(part(element, "hint"), needsFile ? messages().chooseSameFile : "");
}
