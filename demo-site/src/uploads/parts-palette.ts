import { byId } from "../dom.ts";

/** Called when the colours have changed. */
export const onNewPalette = new Set<() => void>();

let colours: string[] | undefined;

/** A colour for each state of a part, as the legend has them: so the style sheet alone knows colours. */
export function palette(): string[] {
  colours ??= [...byId("parts-legend").querySelectorAll("i")].map((swatch) => getComputedStyle(swatch).color);
  return colours;
}

for (const feature of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
  matchMedia(feature).addEventListener("change", () => {
    colours = undefined;
    for (const repaint of onNewPalette) repaint();
  });
}
