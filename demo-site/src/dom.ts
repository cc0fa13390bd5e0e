/** The element of the page with this id. The page and its script are one, so a missing one is a mistake in either. */
export function byId(id: string): HTMLElement {
  return present(document.getElementById(id), `#${id}`);
}

/** A fresh copy of a template's only element. */
export function copyTemplate(id: string): HTMLElement {
  const template = byId(id) as HTMLTemplateElement;
  return present(template.content.firstElementChild, `#${id}`).cloneNode(true) as HTMLElement;
}

/** The element that a template marks with `data-part`. */
export function part<E extends HTMLElement = HTMLElement>(row: HTMLElement, name: string): E {
  return select<E>(row, `[data-part="${name}"]`);
}

/** The element that carries this `data-testid`. */
export function control<E extends HTMLElement = HTMLButtonElement>(row: HTMLElement, testId: string): E {
  return select<E>(row, `[data-testid="${testId}"]`);
}

/** Sets text only where it changes, so that nothing is laid out or read out for nothing. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Tells the style sheet whether a list is so long that rows out of sight should cost nothing. */
export function markIfLong(list: HTMLElement, rows: number): void {
  list.classList.toggle("long", rows > LONG);
}

// Source: own choice; up to here all rows together are laid out within a frame.
const LONG = 200;

/** Shows a row's file, with the folder that it is in, if any. */
export function showName(row: HTMLElement, name: string, folder: string): void {
  part(row, "place").hidden = folder === "";
  part(row, "folder").textContent = folder;
  part(row, "name").textContent = name;
  nameControls(row, name);
}

/** Adds a file's name, unseen, to each label that needs it to make sense when read out on its own. */
export function nameControls(row: HTMLElement, name: string): void {
  for (const label of row.querySelectorAll('[data-part="of"]')) label.textContent = ` ${name}`;
}

/**
 * Shows those of these buttons that make sense now. Where the one in use goes away, the keyboard goes on at the first
 * that is left, or at `otherwise`.
 */
export function showButtons(
  buttons: [button: HTMLElement, makesSense: boolean][],
  otherwise: HTMLElement,
): void {
  const inUse = document.activeElement;
  for (const [button, makesSense] of buttons) button.hidden = !makesSense;
  const lost = buttons.some(([button, makesSense]) => button === inUse && !makesSense);
  if (lost) (buttons.find(([, makesSense]) => makesSense)?.[0] ?? otherwise).focus();
}

/** Calls `see` whenever an element comes into view or leaves it, until the returned function is called. */
export function observeVisibility(element: Element, see: (visible: boolean) => void): () => void {
  watched.set(element, see);
  observer.observe(element);
  return () => {
    watched.delete(element);
    observer.unobserve(element);
  };
}

const watched = new Map<Element, (visible: boolean) => void>();
const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) watched.get(target)?.(isIntersecting);
});

function select<E extends HTMLElement>(row: HTMLElement, selector: string): E {
  return present(row.querySelector<E>(selector), selector);
}

function present<T>(found: T | null | undefined, what: string): T {
  if (found == null) throw new Error(`the page lacks ${what}`);
  return found;
}
