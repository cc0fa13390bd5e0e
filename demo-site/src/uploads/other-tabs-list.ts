import type { Uploader } from "@syncsphere/uploader";
import { shownName } from "../format.ts";
import { byId, copyTemplate, part } from "../dom.ts";
import { ProgressDisplay } from "./progress-display.ts";

/** Shows what other tabs are busy with. `onEnded` is called when they are done with an upload, or gone. */
export function showOtherTabs(uploader: Uploader, onEnded: () => void): void {
  const rows = new Map<string, Row>();
  uploader.addEventListener("elsewhere", ({ detail }) => {
    const there = new Set(detail.map(({ uploadId }) => uploadId));
    for (const [uploadId, { element }] of rows) {
      if (there.has(uploadId)) continue;
      element.remove();
      rows.delete(uploadId);
      onEnded();
    }
    for (const { uploadId, name, state, progress } of detail) {
      let row = rows.get(uploadId);
      if (!row) {
        row = newRow(name);
        rows.set(uploadId, row);
        byId("elsewhere-list").append(row.element);
      }
      row.figures.show(state, progress);
    }
    byId("elsewhere").hidden = rows.size === 0;
  });
}

interface Row {
  element: HTMLElement;
  figures: ProgressDisplay;
}

function newRow(name: string): Row {
  const element = copyTemplate("elsewhere-template");
  element.dataset.name = name;
  part(element, "name").textContent = shownName(name);
  return { element, figures: new ProgressDisplay(element, shownName(name)) };
}
