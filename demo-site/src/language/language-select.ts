import { type Language, LANGUAGES, language, setLanguage, messages } from "./messages.ts";

/**
 * Puts the page into the language that was chosen here before, or the first of the browser's that it knows, and lets
 * `select` change it. `relabel` is called after each change, to say again what no `data-text` says.
 */
export function setUpLanguageSelect(select: HTMLSelectElement, relabel: () => void): void {
  for (const [tag, { name }] of Object.entries(LANGUAGES)) {
    const option = new Option(name, tag);
    option.lang = tag;
    select.append(option);
  }
  show(remembered() ?? ofBrowser());
  select.value = language();
  select.addEventListener("change", () => {
    const chosen = known(select.value);
    if (!chosen) return;
    remember(chosen);
    show(chosen);
    relabel();
  });
}

function show(chosen: Language): void {
  setLanguage(chosen);
  const root = document.documentElement;
  root.lang = chosen;
  root.dir = messages().direction;
  translate(document);
  for (const template of document.querySelectorAll("template")) translate(template.content);
  root.dataset.ready = "";
}

/** Says what the page's own elements name, in its language. */
function translate(root: ParentNode): void {
  const page: Record<string, string> = messages().page;
  for (const element of root.querySelectorAll<HTMLElement>("[data-text], [data-label], [data-placeholder]")) {
    const { text, label, placeholder } = element.dataset;
    if (text) element.textContent = page[text] ?? "";
    if (label) element.ariaLabel = page[label] ?? "";
    if (placeholder && element instanceof HTMLInputElement) element.placeholder = page[placeholder] ?? "";
  }
}

function ofBrowser(): Language {
  for (const tag of navigator.languages) {
    const found = known(tag.split("-")[0]?.toLowerCase());
    if (found) return found;
  }
  return "en";
}

const KEY = "language";

/** Storage may be forbidden; then the browser's language it is, each time. */
function remembered(): Language | undefined {
  try {
    return known(localStorage.getItem(KEY) ?? "");
  } catch {
    return undefined;
  }
}

function remember(chosen: Language): void {
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // as above
  }
}

function known(tag: string | undefined): Language | undefined {
  return tag !== undefined && Object.hasOwn(LANGUAGES, tag) ? (tag as Language) : undefined;
}
