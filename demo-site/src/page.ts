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
export function noteLength(list: HTMLElement, rows: number): void {
  list.classList.toggle("long", rows > LONG);
}

// Source: own choice; up to here all rows together are laid out within a frame.
const LONG = 200;

/** Adds a file's name, unseen, to each label that needs it to make sense when read out on its own. */
export function nameControls(row: HTMLElement, name: string): void {
  for (const label of row.querySelectorAll('[data-part="of"]')) label.textContent = ` ${name}`;
}

function select<E extends HTMLElement>(row: HTMLElement, selector: string): E {
  return present(row.querySelector<E>(selector), selector);
}

function present<T>(found: T | null | undefined, what: string): T {
  if (found == null) throw new Error(`the page lacks ${what}`);
  return found;
}
