/**
 * How the element looks by itself: with the page's own font and colours, light or dark as the page's `color-scheme`
 * says. A sheet made by script, which no Content Security Policy forbids.
 */
const CSS = `
:host {
  display: block;
  --accent: var(--syncsphere-upload-accent, light-dark(#0b57d0, #a8c7fa));
  --error: var(--syncsphere-upload-error, light-dark(#b3261e, #f2b8b5));
  --line: var(--syncsphere-upload-line, color-mix(in srgb, currentColor 55%, transparent));
  --radius: var(--syncsphere-upload-radius, 0.5rem);
  --gap: var(--syncsphere-upload-gap, 0.75rem);
}
:host([hidden]), [hidden] { display: none !important; }
.zone {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: var(--gap);
  padding: calc(2 * var(--gap));
  border: 2px dashed var(--line);
  border-radius: var(--radius);
}
.zone.over { border-style: solid; border-color: var(--accent); }
:host(:disabled) .zone { border-style: dotted; }
ul { margin: 0; padding: 0; list-style: none; }
li {
  display: grid;
  grid-template-columns: minmax(0, 1fr) auto;
  align-items: center;
  gap: 0.25rem var(--gap);
  padding-block: var(--gap);
  border-block-end: 1px solid var(--line);
}
li:has(.preview:not([hidden])) { grid-template-columns: auto minmax(0, 1fr) auto; }
.preview {
  grid-row: 1 / span 2;
  inline-size: 3rem;
  block-size: 3rem;
  border-radius: calc(var(--radius) / 2);
}
.problem { margin: 0; padding-block: var(--gap); color: var(--error); overflow-wrap: anywhere; }
.name { overflow-wrap: anywhere; }
.detail { font-size: 0.875em; font-variant-numeric: tabular-nums; }
.failed .detail { color: var(--error); }
.controls { display: flex; flex-wrap: wrap; gap: 0.5rem; grid-row: 1 / span 2; grid-column: -2; }
progress { grid-column: 1 / -1; inline-size: 100%; block-size: 0.5rem; accent-color: var(--accent); }
button {
  min-block-size: 2rem;
  padding: 0.25rem 0.75rem;
  font: inherit;
  color: inherit;
  background: transparent;
  border: 1px solid var(--line);
  border-radius: var(--radius);
  cursor: pointer;
}
button:focus-visible, li:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
button:disabled { cursor: default; opacity: 0.6; }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
`;

let sheet: CSSStyleSheet | undefined;

/** Gives a shadow tree the element's looks; all elements share one sheet. */
export function applyStyles(root: ShadowRoot): void {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  root.adoptedStyleSheets = [sheet];
}
