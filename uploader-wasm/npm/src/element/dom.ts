/** An element of the shadow tree, which pages style by the same name as a part. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  name: string,
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  element.className = name;
  element.part.value = name;
  return element;
}

/** A button that sends no form. */
export function button(name: string, onClick: () => void): HTMLButtonElement {
  const element = make("button", name);
  element.type = "button";
  element.part.add("button");
  element.addEventListener("click", onClick);
  return element;
}
