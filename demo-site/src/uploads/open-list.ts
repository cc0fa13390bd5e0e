import type { FileRecord, OpenUpload, Uploader } from "@syncsphere/uploader";
import type { CoordinatorApi } from "../coordinator/coordinator-api.ts";
import { bytes, moment } from "../format.ts";
import { interpolate, messages } from "../language/messages.ts";
import { type Offer, OfferList } from "./offer-list.ts";
import type { UploadList } from "./upload-list.ts";

/** What the same guest has begun on other devices: offers to go on with it here, or to give it up. */
export class OpenList {
  readonly #uploader: Uploader;
  readonly #api: CoordinatorApi;
  readonly #uploads: UploadList;
  readonly #list = new OfferList("other-devices", "chooseFile");
  /** Uploads by their files' ids, which changes name. */
  #uploadIds = new Map<string, string>();
  #refreshing: Promise<void> | undefined;

  constructor(uploader: Uploader, api: CoordinatorApi, uploads: UploadList) {
    this.#uploader = uploader;
    this.#api = api;
    this.#uploads = uploads;
  }

  /** Looks what there is now. Those who ask at the same time share one answer. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  /** Takes a change of a file: what is over cannot be gone on with. */
  apply({ fileId, status }: FileRecord): void {
    const uploadId = this.#uploadIds.get(fileId);
    if (uploadId && status !== "uploading") this.#list.withdraw(uploadId);
  }

  /** Says everything again, in the page's language. */
  relabel(): void {
    this.#list.relabel();
  }

  async #refresh(): Promise<void> {
    let open: OpenUpload[];
    try {
      open = await this.#uploader.openUploads();
    } catch {
      // What is wrong with the coordinator the list of files tells.
      return;
    }
    const others = open.filter(({ keptHere }) => !keptHere);
    this.#uploadIds = new Map(others.map(({ file, uploadId }) => [file.fileId, uploadId]));
    this.#list.show(others.map((upload) => this.#offer(upload)));
  }

  #offer(upload: OpenUpload): Offer {
    const { name, size } = upload.file;
    return {
      id: upload.uploadId,
      name,
      needsFile: true,
      amount: () => bytes(size),
      hint: () => interpolate(messages().openUntil, { time: moment(upload.expiresAt) }),
      goOn: async (file) =>
        this.#uploads.follow(name, size, await this.#uploader.continue(upload, file), file),
      discard: () => this.#api.abortUpload(upload.uploadId),
    };
  }
}
