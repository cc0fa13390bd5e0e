import type { Uploader, UploadElsewhere } from "@syncsphere/uploader";
import { bytesOf, percent, shownName, speed, timeLeft } from "./figures.ts";
import { byId, copyTemplate, part, setText } from "./page.ts";
import { STATE_WORDS } from "./wording.ts";

/** Shows what other tabs are busy with. `onEnded` is called when they are done with an upload, or gone. */
export function showElsewhere(uploader: Uploader, onEnded: () => void): void {
  const rows = new Map<string, HTMLElement>();
  uploader.addEventListener("elsewhere", ({ detail }) => {
    const there = new Set(detail.map(({ uploadId }) => uploadId));
    for (const [uploadId, element] of rows) {
      if (there.has(uploadId)) continue;
      element.remove();
      rows.delete(uploadId);
      onEnded();
    }
    for (const upload of detail) {
      let element = rows.get(upload.uploadId);
      if (!element) {
        element = row(upload.name);
        rows.set(upload.uploadId, element);
        byId("elsewhere-list").append(element);
      }
      show(element, upload);
    }
    byId("elsewhere").hidden = rows.size === 0;
  });
}

function row(name: string): HTMLElement {
  const element = copyTemplate("elsewhere-template");
  element.dataset.name = name;
  part(element, "name").textContent = shownName(name);
  part<HTMLProgressElement>(element, "bar").ariaLabel = shownName(name);
  return element;
}

function show(element: HTMLElement, { state, progress }: UploadElsewhere): void {
  const { loaded, total, rate, etaSeconds } = progress;
  const moving = state === "uploading";
  const bar = part<HTMLProgressElement>(element, "bar");
  bar.max = total || 1;
  bar.value = loaded;
  element.dataset.state = state;
  setText(part(element, "state"), STATE_WORDS[state]);
  setText(part(element, "percent"), percent(loaded, total));
  setText(part(element, "amount"), bytesOf(loaded, total));
  setText(part(element, "rate"), moving ? speed(rate) : "");
  setText(part(element, "eta"), moving && etaSeconds !== null ? timeLeft(etaSeconds) : "");
}
