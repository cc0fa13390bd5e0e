/** So that the classes can be imported where there is no page; nobody can make an element there. */
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/** The attributes of `<syncsphere-upload>`, as properties. */
export class UploadElementAttributes extends Base {
  static readonly observedAttributes = [
    "endpoint",
    "name",
    "multiple",
    "directory",
    "required",
    "accept",
    "capture",
    "confirm-leave",
    "shared",
    "lang",
    "texts",
  ];

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

  /** Which kinds of files are taken, as `<input type=file>` has it. */
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

  /** Whether the picker is one for folders; all of a folder's files are taken then. */
  get directory(): boolean {
    return this.hasAttribute("directory");
  }

  set directory(directory: boolean) {
    this.toggleAttribute("directory", directory);
  }

  /** Which camera a telephone opens in place of the picker: `user`, `environment`; as `<input type=file>` has it. */
  get capture(): string {
    return this.getAttribute("capture") ?? "";
  }

  set capture(capture: string) {
    this.setAttribute("capture", capture);
  }

  /** Largest file that is taken, in bytes. `undefined`, and in the attribute what is no number: no limit. */
  get maxSize(): number | undefined {
    return numberOf(this.getAttribute("max-size"));
  }

  set maxSize(maxSize: number | undefined) {
    this.#setNumber("max-size", maxSize);
  }

  /** How many files are taken in all. `undefined`, and in the attribute what is no number: no limit. */
  get maxFiles(): number | undefined {
    return numberOf(this.getAttribute("max-files"));
  }

  set maxFiles(maxFiles: number | undefined) {
    this.#setNumber("max-files", maxFiles);
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

  /**
   * Whether the site's pages share the uploads of the element's own uploader (`UploaderOptions.shared`), and, where several
   * files are taken, the list has those of other pages, too.
   */
  get shared(): boolean {
    return this.hasAttribute("shared");
  }

  set shared(shared: boolean) {
    this.toggleAttribute("shared", shared);
  }

  /** Takes no files and offers no buttons; what is under way goes on. The form does not send the control then. */
  get disabled(): boolean {
    return this.hasAttribute("disabled");
  }

  set disabled(disabled: boolean) {
    this.toggleAttribute("disabled", disabled);
  }

  #setNumber(name: string, value: number | undefined): void {
    if (value === undefined) this.removeAttribute(name);
    else this.setAttribute(name, String(value));
  }
}

function numberOf(text: string | null): number | undefined {
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}
