/** `@syncsphere/uploader/element`: the class of `<syncsphere-upload>`, and what makes it known to the page. */
import type { UploadError, UploadTask } from "../index.js";
import { Uploader } from "../index.js";
import type { FileRecord, UploaderOptions } from "../types.js";
import { isAccepted } from "./accept.js";
import { button, make } from "./dom.js";
import { isSystemFile, joinPaths, pickedFolder } from "../relative-path.js";
import { applyStyles } from "./styles.js";
import { UploadList } from "./upload-list.js";
import { ENGLISH_LABELS, format, type UploadElementTexts } from "./labels.js";

export type { UploadElementTexts } from "./labels.js";

/** The element's own events; all of them bubble and leave shadow trees. Besides: `change`, as form controls have it. */
export interface UploadElementEventMap {
  /** An upload has begun, or was tried again. */
  uploadstart: CustomEvent<{ task: UploadTask }>;
  /** A file is uploaded; its id is part of the form from now on. */
  uploadend: CustomEvent<{ file: FileRecord }>;
  /** An upload has failed; not where it was aborted. */
  uploaderror: CustomEvent<{ name: string; error: UploadError }>;
}

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

/** So that the class can be imported where there is no page; nobody can make one there. */
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

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
] as const;

/**
 * A form control that uploads files: picker, drop zone, progress, buttons. A form sends the ids of the uploaded files
 * under its `name`. It is invalid while uploads are under way, and, where it is `required`, without a file.
 *
 * It uploads through `uploader`, else through an `Uploader` of its own made from `endpoint` and `token`, which ends
 * when the element leaves the page.
 */
export class SyncSphereUpload extends Base {
  static readonly formAssociated = true;
  static readonly observedAttributes = [
    "endpoint",
    "name",
    "multiple",
    "required",
    "accept",
    "confirm-leave",
  ];

  #internals: ElementInternals;
  #uploader: Uploader | undefined;
  #ownUploader: Uploader | undefined;
  #token: UploaderOptions["token"] | undefined;
  #metadata: Record<string, string> | undefined;
  #texts = ENGLISH_LABELS;
  #disabled = false;
  #onLeave = (event: Event) => event.preventDefault();
  #zone = make("div", "zone");
  #input = document.createElement("input");
  #pick = button("pick", () => this.#input.click());
  #hint = make("span", "hint");
  #list = new UploadList({
    texts: () => this.#texts,
    changed: () => this.#updateForm(),
    filesChanged: () => this.dispatchEvent(new Event("change", { bubbles: true })),
    ended: (name, end) => {
      if ("file" in end) this.#dispatch("uploadend", end);
      else this.#dispatch("uploaderror", { name, error: end.error });
    },
    focus: () => this.#pick.focus(),
  });

  constructor() {
    super();
    this.#internals = this.attachInternals();
    this.#internals.role = "group";
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    applyStyles(root);
    this.#input.type = "file";
    this.#input.hidden = true;
    this.#input.addEventListener("change", () => this.#onPicked());
    this.#zone.append(this.#input, this.#pick, this.#hint);
    root.append(this.#zone, this.#list.element, this.#list.status);
    this.addEventListener("dragover", (event) => this.#onDragOver(event));
    this.addEventListener("dragleave", () => this.#setDragOver(false));
    this.addEventListener("drop", (event) => this.#onDrop(event));
    this.#render();
  }

  /** Uploads go through it. It stays the page's: the element does not close it. */
  get uploader(): Uploader | undefined {
    return this.#uploader;
  }

  set uploader(uploader: Uploader | undefined) {
    this.#uploader = uploader;
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

  /** What the element says. Set some to have those in another language; the others stay. */
  get texts(): UploadElementTexts {
    return this.#texts;
  }

  set texts(texts: Partial<UploadElementTexts>) {
    this.#texts = { ...this.#texts, ...texts };
    this.#render();
  }

  /** What the form will send: the files that are uploaded. */
  get files(): readonly FileRecord[] {
    return this.#list.files;
  }

  /** Uploads files as if a person had picked them: only the first one where `multiple` is not set. */
  add(files: Iterable<File> | ArrayLike<File>): void {
    const isChosen = (file: File) => !pickedFolder(file) || !isSystemFile(file.name);
    const chosen = Array.from(files)
      .filter(isChosen)
      .slice(0, this.multiple ? undefined : 1);
    if (chosen.length === 0) return;
    this.#requireUploader();
    if (!this.multiple) this.#list.clear();
    for (const file of chosen) {
      const start = () => {
        const { path, metadata } = this;
        const task = this.#requireUploader().upload(file, {
          path: joinPaths(path, pickedFolder(file)),
          metadata,
        });
        this.#dispatch("uploadstart", { task });
        return task;
      };
      this.#list.add({ name: file.name, start });
    }
  }

  /** Address of the coordinator. Another one ends the uploads of the element's own uploader. */
  get endpoint(): string {
    return this.getAttribute("endpoint") ?? "";
  }

  set endpoint(endpoint: string) {
    this.setAttribute("endpoint", endpoint);
  }

  /** Under which name the form sends the file ids. */
  get name(): string {
    return this.getAttribute("name") ?? "";
  }

  set name(name: string) {
    this.setAttribute("name", name);
  }

  /** Folder inside the workspace. */
  get path(): string {
    return this.getAttribute("path") ?? "";
  }

  set path(path: string) {
    this.setAttribute("path", path);
  }

  /** Which kinds of files may be picked or dropped, as `<input type=file>` has it. */
  get accept(): string {
    return this.getAttribute("accept") ?? "";
  }

  set accept(accept: string) {
    this.setAttribute("accept", accept);
  }

  /** Whether it takes several files; otherwise a new one replaces the last. */
  get multiple(): boolean {
    return this.hasAttribute("multiple");
  }

  set multiple(multiple: boolean) {
    this.toggleAttribute("multiple", multiple);
  }

  /** Whether the form needs a file. */
  get required(): boolean {
    return this.hasAttribute("required");
  }

  set required(required: boolean) {
    this.toggleAttribute("required", required);
  }

  /** Whether the browser asks, in words of its own, whoever leaves the page while uploads are under way. */
  get confirmLeave(): boolean {
    return this.hasAttribute("confirm-leave");
  }

  set confirmLeave(confirmLeave: boolean) {
    this.toggleAttribute("confirm-leave", confirmLeave);
  }

  /** Takes no files and offers no buttons; what is under way goes on. The form does not send the control then. */
  get disabled(): boolean {
    return this.hasAttribute("disabled");
  }

  set disabled(disabled: boolean) {
    this.toggleAttribute("disabled", disabled);
  }

  get form(): HTMLFormElement | null {
    return this.#internals.form;
  }

  get validity(): ValidityState {
    return this.#internals.validity;
  }

  get validationMessage(): string {
    return this.#internals.validationMessage;
  }

  get willValidate(): boolean {
    return this.#internals.willValidate;
  }

  checkValidity(): boolean {
    return this.#internals.checkValidity();
  }

  reportValidity(): boolean {
    return this.#internals.reportValidity();
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
      this.#closeOwnUploader();
      this.#askBeforeLeaving();
    });
  }

  /** @internal */
  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (name === "endpoint" && before !== after) {
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
    this.#list.clear();
  }

  /** @internal After going back in history, or a restored session: what had been uploaded. */
  formStateRestoreCallback(state: unknown): void {
    if (typeof state !== "string" || !this.#list.isEmpty) return;
    for (const file of parseRecords(state)) this.#list.add({ file });
  }

  #render(): void {
    const { chooseFile, chooseFiles, dropFile, dropFiles } = this.#texts;
    this.#input.multiple = this.multiple;
    this.#input.accept = this.accept;
    this.#pick.textContent = this.multiple ? chooseFiles : chooseFile;
    this.#hint.textContent = this.multiple ? dropFiles : dropFile;
    this.#list.render();
    this.#updateForm();
  }

  /** What the form sends, and whether it may. */
  #updateForm(): void {
    const { name, files } = this;
    const value = new FormData();
    if (name) for (const { fileId } of files) value.append(name, fileId);
    this.#internals.setFormValue(name ? value : null, JSON.stringify(files));
    if (this.#list.isUnderWay) {
      this.#internals.setValidity({ customError: true }, this.#texts.underWay, this.#pick);
    } else if (this.required && files.length === 0) {
      this.#internals.setValidity({ valueMissing: true }, this.#texts.missing, this.#pick);
    } else {
      this.#internals.setValidity({});
    }
    this.#askBeforeLeaving();
  }

  /** Only while there is something to lose: a page that listens all the time cannot be kept for the way back. */
  #askBeforeLeaving(): void {
    const asks = this.isConnected && this.confirmLeave && this.#list.isUnderWay;
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
    const files = [...event.dataTransfer.files];
    const refused = files.find((file) => !isAccepted(file, this.accept));
    if (refused) this.#list.status.textContent = format(this.#texts.notAccepted, { name: refused.name });
    this.add(files.filter((file) => isAccepted(file, this.accept)));
  }

  #setDragOver(over: boolean): void {
    this.#zone.classList.toggle("over", over);
    this.#zone.part.toggle("over", over);
  }

  /** Starts the workers early, where everything for that is known. */
  #startEarly(): void {
    const isConfigured = !this.#uploader && this.endpoint && this.#token;
    if (this.isConnected && isConfigured && Uploader.isSupported()) this.#requireUploader();
  }

  #requireUploader(): Uploader {
    if (this.#uploader) return this.#uploader;
    if (!this.endpoint || !this.#token) {
      throw new TypeError("<syncsphere-upload> needs `uploader`, or `endpoint` and `token`");
    }
    return (this.#ownUploader ??= new Uploader({ endpoint: this.endpoint, token: this.#token }));
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

/** The files of a form state that the browser kept; a version of another day may have written it. */
function parseRecords(state: string): FileRecord[] {
  let value: unknown;
  try {
    value = JSON.parse(state);
  } catch {
    return [];
  }
  const isRecord = (one: unknown) => {
    const { fileId, name } = (one ?? {}) as Partial<FileRecord>;
    return typeof fileId === "string" && typeof name === "string";
  };
  return Array.isArray(value) ? value.filter(isRecord) : [];
}
