/** `@syncsphere/uploader/element`: the class of `<syncsphere-upload>`, and what makes it known to the page. */
import type { UploadError, UploadTask } from "../index.js";
import { Uploader } from "../index.js";
import type { FileRecord, UploaderOptions } from "../types.js";
import { isAccepted } from "./accept.js";
import { button, make } from "./dom.js";
import { UploadRow, type RowOwner } from "./row.js";
import { dress } from "./style.js";
import { ENGLISH, fill, type UploadElementTexts } from "./texts.js";

export type { UploadElementTexts } from "./texts.js";

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
const SETTABLE = ["uploader", "token", "texts", "metadata", "name", "endpoint", "path", "accept"] as const;

/**
 * A form control that uploads files: picker, drop zone, progress, buttons. A form sends the ids of the uploaded files
 * under its `name`. It is invalid while uploads are under way, and, where it is `required`, without a file.
 *
 * It uploads through `uploader`, else through an `Uploader` of its own made from `endpoint` and `token`, which ends
 * when the element leaves the page.
 */
export class SyncSphereUpload extends Base {
  static readonly formAssociated = true;
  static readonly observedAttributes = ["endpoint", "name", "multiple", "required", "accept"];

  #internals: ElementInternals;
  #root: ShadowRoot;
  #uploader: Uploader | undefined;
  #own: Uploader | undefined;
  #token: UploaderOptions["token"] | undefined;
  #metadata: Record<string, string> | undefined;
  #texts = ENGLISH;
  #percents: Intl.NumberFormat | undefined;
  #disabled = false;
  #rows: UploadRow[] = [];
  /** What has ended since nothing was under way. */
  #ended: UploadRow[] = [];
  #zone = make("div", "zone");
  #input = document.createElement("input");
  #pick = button("pick", () => this.#input.click());
  #hint = make("span", "hint");
  #list = make("ul", "list");
  #status = make("p", "unseen");

  constructor() {
    super();
    this.#internals = this.attachInternals();
    this.#internals.role = "group";
    this.#root = this.attachShadow({ mode: "open", delegatesFocus: true });
    dress(this.#root);
    this.#input.type = "file";
    this.#input.hidden = true;
    this.#input.addEventListener("change", () => this.#picked());
    this.#status.setAttribute("role", "status");
    this.#list.setAttribute("role", "list"); // which WebKit takes away with `list-style: none`
    this.#zone.append(this.#input, this.#pick, this.#hint);
    this.#root.append(this.#zone, this.#list, this.#status);
    this.addEventListener("dragover", (event) => this.#dragged(event));
    this.addEventListener("dragleave", () => this.#over(false));
    this.addEventListener("drop", (event) => this.#dropped(event));
    this.#show();
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
    this.#closeOwn();
    this.#prepare();
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
    this.#show();
  }

  /** What the form will send: the files that are uploaded. */
  get files(): readonly FileRecord[] {
    return this.#rows.flatMap(({ file }) => file ?? []);
  }

  /** Uploads files as if a person had picked them: only the first one where `multiple` is not set. */
  add(files: Iterable<File> | ArrayLike<File>): void {
    const chosen = this.multiple ? Array.from(files) : Array.from(files).slice(0, 1);
    if (chosen.length === 0) return;
    this.#needUploader();
    if (!this.multiple) for (const row of [...this.#rows]) this.#takeOff(row);
    for (const file of chosen) {
      const start = () => {
        const { path, metadata } = this;
        const task = this.#needUploader().upload(file, { path: path || undefined, metadata });
        this.#fire("uploadstart", { task });
        return task;
      };
      this.#append(new UploadRow(this.#owner, { name: file.name, start }));
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
    for (const name of SETTABLE) this.#upgrade(name);
    this.#show();
    this.#prepare();
  }

  /** @internal */
  disconnectedCallback(): void {
    // An element that only moves is connected again by then.
    queueMicrotask(() => this.isConnected || this.#closeOwn());
  }

  /** @internal */
  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (name === "endpoint" && before !== after) {
      this.#closeOwn();
      this.#prepare();
    }
    this.#show();
  }

  /** @internal */
  formDisabledCallback(disabled: boolean): void {
    this.#disabled = disabled;
    this.#pick.disabled = disabled;
    for (const row of this.#rows) row.disable(disabled);
  }

  /** @internal Whatever is on the list goes; what is under way is aborted. */
  formResetCallback(): void {
    for (const row of [...this.#rows]) this.#takeOff(row);
  }

  /** @internal After going back in history, or a restored session: what had been uploaded. */
  formStateRestoreCallback(state: unknown): void {
    if (typeof state !== "string" || this.#rows.length > 0) return;
    for (const file of recordsIn(state)) this.#append(new UploadRow(this.#owner, { file }));
  }

  #owner: RowOwner = {
    texts: () => this.#texts,
    percent: (part) => (this.#percents ??= percentsIn(this)).format(part),
    changed: () => this.#update(),
    ended: (row, end) => this.#onEnd(row, end),
    removed: (row) => {
      this.#takeOff(row);
      this.#pick.focus();
      this.#changed();
    },
  };

  #append(row: UploadRow): void {
    row.disable(this.#disabled);
    this.#rows.push(row);
    this.#list.append(row.element);
    this.#update();
  }

  #takeOff(row: UploadRow): void {
    this.#rows = this.#rows.filter((one) => one !== row);
    row.element.remove();
    if (row.isUnderWay) void row.task?.abort();
    this.#update();
  }

  #onEnd(row: UploadRow, end: { file: FileRecord } | { error: UploadError }): void {
    if (!this.#rows.includes(row)) return;
    if ("file" in end) {
      this.#fire("uploadend", end);
    } else if (end.error.code !== "aborted") {
      this.#fire("uploaderror", { name: row.name, error: end.error });
    } else {
      const hadFocus = row.element.contains(this.#root.activeElement);
      this.#takeOff(row);
      if (hadFocus) this.#pick.focus();
      return;
    }
    this.#ended.push(row);
    this.#update();
    if (row.file) this.#changed();
    this.#announceEnds();
  }

  /** Once for all that were under way together, so that nobody is talked over. */
  #announceEnds(): void {
    if (this.#rows.some((row) => row.isUnderWay)) return;
    const ended = this.#ended.splice(0);
    const uploaded = ended.filter(({ file }) => file);
    const { allUploaded, uploaded: oneUploaded, notUploaded } = this.#texts;
    const [only] = ended;
    this.#status.textContent =
      only && ended.length === 1
        ? fill(only.file ? oneUploaded : notUploaded, { name: only.name })
        : fill(allUploaded, { count: String(uploaded.length), total: String(ended.length) });
  }

  #show(): void {
    const { chooseFile, chooseFiles, dropFile, dropFiles } = this.#texts;
    this.#input.multiple = this.multiple;
    this.#input.accept = this.accept;
    this.#pick.textContent = this.multiple ? chooseFiles : chooseFile;
    this.#hint.textContent = this.multiple ? dropFiles : dropFile;
    for (const row of this.#rows) row.show();
    this.#update();
  }

  /** What the form sends, and whether it may. */
  #update(): void {
    const { name, files } = this;
    const value = new FormData();
    if (name) for (const { fileId } of files) value.append(name, fileId);
    this.#internals.setFormValue(name ? value : null, JSON.stringify(files));
    if (this.#rows.some((row) => row.isUnderWay)) {
      this.#internals.setValidity({ customError: true }, this.#texts.underWay, this.#pick);
    } else if (this.required && files.length === 0) {
      this.#internals.setValidity({ valueMissing: true }, this.#texts.missing, this.#pick);
    } else {
      this.#internals.setValidity({});
    }
  }

  #picked(): void {
    const files = [...(this.#input.files ?? [])];
    this.#input.value = ""; // so that the same file can be picked again
    this.add(files);
  }

  #dragged(event: DragEvent): void {
    if (this.#disabled || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    this.#over(true);
  }

  #dropped(event: DragEvent): void {
    this.#over(false);
    if (!event.dataTransfer?.types.includes("Files")) return;
    // Even where it is not taken: the browser would open the file in place of the page.
    event.preventDefault();
    if (this.#disabled) return;
    const files = [...event.dataTransfer.files];
    const refused = files.find((file) => !isAccepted(file, this.accept));
    if (refused) this.#status.textContent = fill(this.#texts.notAccepted, { name: refused.name });
    this.add(files.filter((file) => isAccepted(file, this.accept)));
  }

  #over(over: boolean): void {
    this.#zone.classList.toggle("over", over);
    this.#zone.part.toggle("over", over);
  }

  /** Starts the workers early, where everything for that is known. */
  #prepare(): void {
    if (this.isConnected && !this.#uploader && this.endpoint && this.#token) this.#needUploader();
  }

  #needUploader(): Uploader {
    if (this.#uploader) return this.#uploader;
    if (!this.endpoint || !this.#token) {
      throw new TypeError("<syncsphere-upload> needs `uploader`, or `endpoint` and `token`");
    }
    return (this.#own ??= new Uploader({ endpoint: this.endpoint, token: this.#token }));
  }

  #closeOwn(): void {
    void this.#own?.close();
    this.#own = undefined;
  }

  #changed(): void {
    this.dispatchEvent(new Event("change", { bubbles: true }));
  }

  #fire<Type extends keyof UploadElementEventMap>(
    type: Type,
    detail: UploadElementEventMap[Type]["detail"],
  ): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  #upgrade(name: (typeof SETTABLE)[number]): void {
    if (!Object.hasOwn(this, name)) return;
    const early = this as Record<string, unknown>;
    const value = early[name];
    delete early[name];
    early[name] = value;
  }
}

/** In the language of the page around the element. */
function percentsIn(element: Element): Intl.NumberFormat {
  const language = element.closest<HTMLElement>("[lang]")?.lang || undefined;
  try {
    return new Intl.NumberFormat(language, { style: "percent" });
  } catch {
    return new Intl.NumberFormat(undefined, { style: "percent" }); // `lang` may hold anything
  }
}

/** The files of a form state that the browser kept; a version of another day may have written it. */
function recordsIn(state: string): FileRecord[] {
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
