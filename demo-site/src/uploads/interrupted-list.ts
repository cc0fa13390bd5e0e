import type { InterruptedUpload, Uploader } from "@syncsphere/uploader";
import { bytesOf } from "../format.ts";
import { messages } from "../language/messages.ts";
import { type Offer, OfferList } from "./offer-list.ts";
import type { UploadList } from "./upload-list.ts";

/** What earlier pages, and other tabs that are gone, left unfinished: offers to go on with it, or to forget it. */
export class InterruptedList {
  readonly #uploader: Uploader;
  readonly #uploads: UploadList;
  readonly #list = new OfferList("interrupted", "goOn");

  constructor(uploader: Uploader, uploads: UploadList) {
    this.#uploader = uploader;
    this.#uploads = uploads;
  }

  /** Looks what there is now. */
  async refresh(): Promise<void> {
    const left = await this.#uploader.interrupted();
    this.#list.show(left.map((upload) => this.#offer(upload)));
  }

  /** Says everything again, in the page's language. */
  relabel(): void {
    this.#list.relabel();
  }

  #offer({ uploadId, name, size, loaded, needsFile }: InterruptedUpload): Offer {
    return {
      id: uploadId,
      name,
      needsFile,
      amount: () => bytesOf(loaded, size),
      hint: () => (needsFile ? messages().chooseSameFile : ""),
      goOn: async (file) =>
        this.#uploads.follow(name, size, await this.#uploader.continue(uploadId, file), file),
      discard: () => this.#uploader.discard(uploadId),
    };
  }
}
