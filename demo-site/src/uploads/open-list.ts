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
  /** Files that changes have told the end of since the last look. */
  readonly #over = new Set<string>();
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
    if (status === "uploading") return;
    if (this.#refreshing) this.#over.add(fileId);
    const uploadId = this.#uploadIds.get(fileId);
    if (uploadId) this.#list.withdraw(uploadId);
  }

  /** Says everything again, in the page's language. */
  relabel(): void {
    this.#list.relabel();
  }

  async #refresh(): Promise<void> {
    this.#over.clear();
    const before = this.#underWay();
    let open: OpenUpload[];
    try {
      open = await this.#uploader.openUploads();
    } catch {
      // What is wrong with the coordinator the list of files tells.
      return;
    }
    // What is only just begun here the coordinator may know before this browser does, and what has ended meanwhile too.
    const own = new Set([...before, ...this.#underWay()]);
    const others = open.filter(
      ({ keptHere, file }) =>
        !keptHere && !own.has(likeness(file.name, file.size)) && !this.#over.has(file.fileId),
    );
    this.#uploadIds = new Map(others.map(({ file, uploadId }) => [file.fileId, uploadId]));
    this.#list.show(others.map((upload) => this.#offer(upload)));
  }

  /** What this page, and those that share their uploads with it, are busy with. */
  #underWay(): string[] {
    return this.#uploader.tasks.map(({ name, progress }) => likeness(name, progress.total));
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

/** The coordinator keeps names in Unicode's NFC. */
function likeness(name: string, size: number): string {
  return `${size}/${name.normalize("NFC")}`;
}
