import type { UploadTask, Uploader } from "../index.js";
import { offer, type OfferHost } from "./interrupted.js";
import type { UploadList } from "./upload-list.js";

/** What the uploads need of their element. */
export interface OtherUploadsHost {
  /** Uploads a file anew, where nothing is kept of it any more. */
  begin(file: File): UploadTask;
  /** One goes on as this task, in this element. */
  goesOn(task: UploadTask): void;
  /** Whether uploads of other pages are listed. */
  listsOthers(): boolean;
  /** Whether there is room for one file only. */
  holdsOne(): boolean;
}

/** Uploads on the list that the element has not begun: what earlier pages left unfinished, and what other pages begin. */
export class OtherUploads {
  #list: UploadList;
  #root: ShadowRoot;
  #host: OtherUploadsHost;
  #uploader: Uploader | undefined;
  #onTask = ({ detail }: CustomEvent<UploadTask>) => this.#listTask(detail);

  /** Pickers are opened in `root`. */
  constructor(list: UploadList, root: ShadowRoot, host: OtherUploadsHost) {
    this.#list = list;
    this.#root = root;
    this.#host = host;
  }

  /** Puts on the list what there is of this uploader, and from now on what comes. */
  async follow(uploader: Uploader): Promise<void> {
    if (uploader === this.#uploader) return;
    this.#attend(uploader);
    this.#list.clearOffers();
    const found = await uploader.interrupted().catch(() => []); // it was closed, or its workers failed
    if (this.#uploader !== uploader) return;
    for (const upload of found) {
      const row = this.#list.add(
        offer(
          upload,
          uploader,
          this.#root,
          this.#offerHost(() => row),
        ),
      );
    }
  }

  /** What is on the list stays there. */
  unfollow(): void {
    this.#attend(undefined);
  }

  #attend(uploader: Uploader | undefined): void {
    this.#uploader?.removeEventListener("task", this.#onTask);
    this.#uploader = uploader;
    uploader?.addEventListener("task", this.#onTask);
  }

  #listTask(task: UploadTask): void {
    const uploader = this.#uploader;
    if (!uploader || !this.#host.listsOthers()) return;
    const { name, size } = task;
    // Tried again where it failed, it needs its file: the other page may be gone.
    const again = { uploadId: "", name, size, loaded: 0, needsFile: true };
    const { start } = offer(
      again,
      uploader,
      this.#root,
      this.#offerHost(() => row),
    );
    let isListed = false;
    const row = this.#list.add({
      name,
      start(kept) {
        if (isListed) return start(kept);
        isListed = true;
        return task;
      },
    });
  }

  #offerHost(row: () => Parameters<UploadList["clear"]>[0]): OfferHost {
    return {
      begin: (file) => this.#host.begin(file),
      goesOn: (task) => {
        this.#host.goesOn(task);
        if (this.#host.holdsOne()) this.#list.clear(row());
      },
    };
  }
}
