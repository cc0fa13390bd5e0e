/** `@syncsphere/uploader/element`: the class of `<syncsphere-upload>`, and what makes it known to the page. */
import type { UploadError, UploadTask } from "../index.js";
import { Uploader } from "../index.js";
import { isSystemFile, joinPaths, pickedFolder } from "../relative-path.js";
import type { FileRecord, Uploadable, UploaderOptions } from "../types.js";
import { FormControl } from "./form-control.js";
import { button, make } from "./dom.js";
import { format, parseTexts, type UploadElementTexts } from "./labels.js";
import type { UploadElementEventMap, UploadRefusal } from "./events.js";
import { labelsIn, languageOf } from "./languages.js";
import { refusalOf, refusalText } from "./limits.js";
import { OtherUploads } from "./other-uploads.js";
import { parseRecords } from "./form-state.js";
import { applyStyles } from "./styles.js";
import { takeTransfer } from "./transfer.js";
import { UploadList } from "./upload-list.js";

export type { UploadElementAttributes } from "./attributes.js";
export type { FormControl } from "./form-control.js";
export type { UploadElementEventMap, UploadRefusal } from "./events.js";
export type { UploadElementTexts } from "./labels.js";

declare global {
  interface HTMLElementEventMap extends UploadElementEventMap {}
  interface HTMLElementTagNameMap {
    "syncsphere-upload": SyncSphereUpload;
  }
}

/** Makes the element known to the page, unless it is already. Does nothing where there is no page. */
export function defineUploadElement(name = "syncsphere-upload"): void {
  if (typeof customElements === "object" && !customElements.get(name)) {
    customElements.define(name, class extends SyncSphereUpload {});
  }
}

/** Properties that a page may have set before the element was known. */
const UPGRADED_PROPERTIES = [
  "uploader",
  "token",
  "texts",
  "metadata",
  "name",
  "endpoint",
  "path",
  "accept",
  "capture",
  "multiple",
  "directory",
  "required",
  "disabled",
  "maxSize",
  "maxFiles",
  "confirmLeave",
  "shared",
] as const;

/**
 * A form control that uploads files: picker, drop zone, paste, progress, buttons. A form sends the ids of the uploaded files
 * under its `name`. It is invalid while uploads are under way, and, where it is `required`, without a file.
 *
 * It uploads through `uploader`, else through an `Uploader` of its own made from `endpoint` and `token`, which ends
 * when the element leaves the page.
 */
export class SyncSphereUpload extends FormControl {
  #uploader: Uploader | undefined;
  #ownUploader: Uploader | undefined;
  #token: UploaderOptions["token"] | undefined;
  #metadata: Record<string, string> | undefined;
  #ownTexts: Partial<UploadElementTexts> = {};
  #texts = labelsIn(undefined);
  #disabled = false;
  /** What still looks for files in folders; each ends when nobody wants them any more. */
  #walks = new Set<AbortController>();
  #onLeave = (event: Event) => event.preventDefault();
  #zone = make("div", "zone");
  #input = document.createElement("input");
  #pick = button("pick", () => this.#input.click());
  #hint = make("span", "hint");
  #problem = make("p", "problem");
  #list = new UploadList({
    texts: () => this.#texts,
    changed: () => this.#updateForm(),
    filesChanged: () => this.dispatchEvent(new Event("change", { bubbles: true })),
    ended: (name, end) => {
      if ("file" in end) this.#dispatch("uploadend", end);
      else this.#dispatch("uploaderror", { name, error: end.error });
    },
    notContinued: (name) => this.#tell(format(this.#texts.notUploaded, { name })),
    focus: () => this.#pick.focus(),
  });
  #otherUploads: OtherUploads;

  constructor() {
    super();
    this.internals.role = "group";
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    applyStyles(root);
    this.#otherUploads = new OtherUploads(this.#list, root, {
      begin: (file) => this.#upload(file, ""),
      goesOn: (task) => this.#told(task),
      listsOthers: () => this.shared && this.#takesSeveral,
      holdsOne: () => !this.#takesSeveral,
    });
    this.#input.type = "file";
    this.#input.hidden = true;
    this.#input.addEventListener("change", () => this.#onPicked());
    this.#zone.append(this.#input, this.#pick, this.#hint);
    this.#problem.setAttribute("role", "alert");
    root.append(this.#zone, this.#problem, this.#list.element, this.#list.status);
    this.addEventListener("dragover", (event) => this.#onDragOver(event));
    this.addEventListener("dragleave", () => this.#setDragOver(false));
    this.addEventListener("drop", (event) => this.#onDrop(event));
    this.addEventListener("paste", (event) => this.#onPaste(event));
    this.#render();
  }

  /** Uploads go through it. It stays the page's: the element does not close it. */
  get uploader(): Uploader | undefined {
    return this.#uploader;
  }

  set uploader(uploader: Uploader | undefined) {
    this.#uploader = uploader;
    this.#startEarly();
  }

  /** As `UploaderOptions.token`, where there is no `uploader`. */
  get token(): UploaderOptions["token"] | undefined {
    return this.#token;
  }

  set token(token: UploaderOptions["token"] | undefined) {
    this.#token = token;
    this.#closeOwnUploader();
    this.#startEarly();
  }

  /** Metadata of every file that is uploaded from now on. */
  get metadata(): Record<string, string> | undefined {
    return this.#metadata;
  }

  set metadata(metadata: Record<string, string> | undefined) {
    this.#metadata = metadata;
  }

  /** What the element says, in the language of `lang`. Set some to have those in another one; the others stay. */
  get texts(): UploadElementTexts {
    return this.#texts;
  }

  set texts(texts: Partial<UploadElementTexts>) {
    this.#ownTexts = { ...this.#ownTexts, ...texts };
    this.#render();
  }

  /** What the form will send: the files that are uploaded. */
  get files(): readonly FileRecord[] {
    return this.#list.files;
  }

  /**
   * Uploads files as if a person had picked them: those that `accept`, `max-size` and `max-files` allow, and only the
   * first of them where neither `multiple` nor `directory` is set.
   */
  add(files: Iterable<File> | ArrayLike<File>): void {
    this.#tell("");
    for (const file of Array.from(files)) {
      const folder = pickedFolder(file);
      if (folder && isSystemFile(file.name)) continue;
      const taken = this.#take(file, file, folder);
      if (taken === "count" || (typeof taken === "object" && !this.#takesSeveral)) return;
    }
  }

  /** @internal */
  connectedCallback(): void {
    for (const name of UPGRADED_PROPERTIES) this.#upgrade(name);
    this.#render();
    this.#startEarly();
  }

  /** @internal */
  disconnectedCallback(): void {
    // An element that only moves is connected again by then.
    queueMicrotask(() => {
      if (this.isConnected) return;
      for (const walk of this.#walks) walk.abort();
      this.#closeOwnUploader();
      this.#otherUploads.unfollow();
      this.#askBeforeLeaving();
    });
  }

  /** @internal */
  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if ((name === "endpoint" || name === "shared") && before !== after) {
      this.#closeOwnUploader();
      this.#startEarly();
    }
    this.#render();
  }

  /** @internal */
  formDisabledCallback(disabled: boolean): void {
    this.#disabled = disabled;
    this.#pick.disabled = disabled;
    this.#list.disable(disabled);
  }

  /** @internal Whatever is on the list goes; what is under way is aborted. */
  formResetCallback(): void {
    for (const walk of this.#walks) walk.abort();
    this.#tell("");
    this.#list.clear();
  }

  /** @internal After going back in history, or a restored session: what had been uploaded. */
  formStateRestoreCallback(state: unknown): void {
    if (typeof state !== "string" || !this.#list.isEmpty) return;
    for (const file of parseRecords(state)) this.#list.add({ record: file });
  }

  get #takesSeveral(): boolean {
    return this.multiple || this.directory;
  }

  #render(): void {
    const said = parseTexts(this.getAttribute("texts"));
    this.#texts = { ...labelsIn(languageOf(this)), ...said, ...this.#ownTexts };
    const { chooseFile, chooseFiles, chooseFolder, dropFile, dropFiles } = this.#texts;
    this.#input.multiple = this.#takesSeveral;
    this.#input.webkitdirectory = this.directory;
    this.#input.accept = this.accept;
    if (this.hasAttribute("capture")) this.#input.setAttribute("capture", this.capture);
    else this.#input.removeAttribute("capture");
    this.#pick.textContent = this.directory ? chooseFolder : this.multiple ? chooseFiles : chooseFile;
    this.#hint.textContent = this.#takesSeveral ? dropFiles : dropFile;
    this.#list.render();
    this.#updateForm();
  }

  /** What the form sends, and whether it may. */
  #updateForm(): void {
    const { name, files } = this;
    const value = new FormData();
    if (name) for (const { fileId } of files) value.append(name, fileId);
    this.internals.setFormValue(name ? value : null, JSON.stringify(files));
    if (this.#isUnderWay) {
      this.internals.setValidity({ customError: true }, this.#texts.underWay, this.#pick);
    } else if (this.required && files.length === 0) {
      this.internals.setValidity({ valueMissing: true }, this.#texts.missing, this.#pick);
    } else {
      this.internals.setValidity({});
    }
    this.#askBeforeLeaving();
  }

  get #isUnderWay(): boolean {
    return this.#list.isUnderWay || this.#walks.size > 0;
  }

  /** Only while there is something to lose: a page that listens all the time cannot be kept for the way back. */
  #askBeforeLeaving(): void {
    const asks = this.isConnected && this.confirmLeave && this.#isUnderWay;
    if (asks) addEventListener("beforeunload", this.#onLeave);
    else removeEventListener("beforeunload", this.#onLeave);
  }

  #onPicked(): void {
    const files = [...(this.#input.files ?? [])];
    this.#input.value = ""; // so that the same file can be picked again
    this.add(files);
  }

  #onDragOver(event: DragEvent): void {
    if (this.#disabled || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    this.#setDragOver(true);
  }

  #onDrop(event: DragEvent): void {
    this.#setDragOver(false);
    if (!event.dataTransfer?.types.includes("Files")) return;
    // Even where it is not taken: the browser would open the file in place of the page.
    event.preventDefault();
    if (this.#disabled) return;
    void this.#takeAll(event.dataTransfer);
  }

  #onPaste(event: ClipboardEvent): void {
    if (this.#disabled || !event.clipboardData?.types.includes("Files")) return;
    event.preventDefault();
    void this.#takeAll(event.clipboardData);
  }

  /** Takes what was dropped or pasted, and all that is in folders there. */
  async #takeAll(source: DataTransfer): Promise<void> {
    this.#tell("");
    this.#requireUploader();
    const walk = new AbortController();
    const take = (file: File, content: Uploadable, folder: string | undefined) => {
      const taken = this.#take(file, content, folder);
      const isTask = typeof taken === "object";
      if (taken === "count" || (isTask && !this.#takesSeveral)) walk.abort();
      return isTask ? taken : undefined;
    };
    this.#walks.add(walk);
    this.#updateForm();
    try {
      const { unreadable, empty } = await takeTransfer(source, walk.signal, take);
      if (unreadable) this.#tell(format(this.#texts.unreadable, { name: unreadable }));
      else if (empty) this.#tell(format(this.#texts.emptyFolder, { name: empty }));
    } finally {
      this.#walks.delete(walk);
      this.#updateForm();
    }
  }

  /** Begins a file's upload, or says why it is not taken. `content` may be a handle to it, by which a later page can go on. */
  #take(file: File, content: Uploadable, folder: string | undefined): UploadTask | UploadRefusal | undefined {
    const reason = refusalOf(file, this, this.#takesSeveral ? this.#list.count : 0);
    if (reason) {
      this.#refuse(file, reason);
      return reason;
    }
    this.#requireUploader();
    if (!this.#takesSeveral) this.#list.clear();
    const begin = () => this.#told(this.#upload(content, folder));
    const goOn = async (uploadId: string) => {
      try {
        return this.#told(await this.#requireUploader().continue(uploadId, file));
      } catch (error) {
        if ((error as UploadError).code !== "not_interrupted") throw error;
        return begin();
      }
    };
    const start = (uploadId?: string) => (uploadId ? goOn(uploadId) : begin());
    return this.#list.add({ name: file.name, file, start }).task;
  }

  #told(task: UploadTask): UploadTask {
    this.#dispatch("uploadstart", { task });
    return task;
  }

  #upload(content: Uploadable, folder: string | undefined): UploadTask {
    const { path, metadata } = this;
    return this.#requireUploader().upload(content, { path: joinPaths(path, folder), metadata });
  }

  #refuse(file: File, reason: UploadRefusal): void {
    this.#tell(refusalText(file, reason, this, this.#texts));
    this.#dispatch("uploadrefuse", { file, reason });
  }

  /** Says what is wrong with what was chosen; nothing by an empty text. */
  #tell(problem: string): void {
    this.#problem.textContent = problem;
    this.#problem.hidden = problem === "";
  }

  #setDragOver(over: boolean): void {
    this.#zone.classList.toggle("over", over);
    this.#zone.part.toggle("over", over);
  }

  /** Starts the workers early, where everything for that is known. */
  #startEarly(): void {
    const isConfigured = !this.#uploader && this.endpoint && this.#token;
    if (this.isConnected && isConfigured && Uploader.isSupported()) this.#requireUploader();
    const uploader = this.#uploader ?? this.#ownUploader;
    if (uploader && this.isConnected) void this.#otherUploads.follow(uploader);
  }

  #requireUploader(): Uploader {
    if (this.#uploader) return this.#uploader;
    if (!this.endpoint || !this.#token) {
      throw new TypeError("<syncsphere-upload> needs `uploader`, or `endpoint` and `token`");
    }
    return (this.#ownUploader ??= new Uploader({
      endpoint: this.endpoint,
      token: this.#token,
      shared: this.shared,
    }));
  }

  #closeOwnUploader(): void {
    void this.#ownUploader?.close();
    this.#ownUploader = undefined;
  }

  #dispatch<Type extends keyof UploadElementEventMap>(
    type: Type,
    detail: UploadElementEventMap[Type]["detail"],
  ): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  #upgrade(name: (typeof UPGRADED_PROPERTIES)[number]): void {
    if (!Object.hasOwn(this, name)) return;
    const early = this as Record<string, unknown>;
    const value = early[name];
    delete early[name];
    early[name] = value;
  }
}
