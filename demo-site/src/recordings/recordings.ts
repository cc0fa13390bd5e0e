import type { Uploader } from "@syncsphere/uploader";
import type { InterruptedStream } from "@syncsphere/uploader/streams";
import type { Announcer } from "../announcer.ts";
import { bytes } from "../format.ts";
import { messages } from "../language/messages.ts";
import { byId, setText } from "../dom.ts";
import { type Offer, OfferList } from "../uploads/offer-list.ts";
import { canKeep, canRecord, openRecorder, type PictureSource, recordingName } from "./recorder.ts";
import { type KeptUpload, RecordingRow } from "./recording-row.ts";

/** When what earlier pages kept is looked for once more, in ms. Source: own choice. */
const SECOND_LOOK = 1000;

/** Few visits need it. */
const streams = () => import("@syncsphere/uploader/streams");

/** Recordings: those under way, and those that earlier pages kept and did not upload. */
export class Recordings {
  readonly #uploader: Uploader;
  readonly #announcer: Announcer;
  readonly #kept = new OfferList("kept-streams", "upload");
  readonly #rows = new Set<RecordingRow>();
  readonly #notice = byId("record-notice");

  constructor(uploader: Uploader, announcer: Announcer) {
    this.#uploader = uploader;
    this.#announcer = announcer;
    for (const source of ["camera", "screen"] as const) {
      const button = byId(`record-${source}`);
      button.hidden = !canRecord(source);
      button.addEventListener("click", () => void this.#record(source));
    }
  }

  /** Whether any of them is recorded or uploaded. */
  get active(): boolean {
    return [...this.#rows].some((row) => !row.ended);
  }

  /** Looks what earlier pages kept, twice: one that was closed in this moment lets go of it in the next. */
  async refresh(): Promise<void> {
    if (!canKeep()) return;
    await this.#look();
    setTimeout(() => void this.#look(), SECOND_LOOK);
  }

  async #look(): Promise<void> {
    const { interruptedStreams } = await streams();
    // Where the browser refuses its file system, nothing is kept.
    const found = await interruptedStreams().catch(() => []);
    this.#kept.show(found.map((stream, index) => this.#offer(stream, index)));
  }

  /** Says everything again, in the page's language. */
  relabel(): void {
    this.#kept.relabel();
    for (const row of this.#rows) row.relabel();
    this.#notice.hidden = true;
  }

  async #record(source: PictureSource): Promise<void> {
    this.#notice.hidden = true;
    try {
      const recorder = await openRecorder(source);
      const name = recordingName(recorder);
      const { uploadStream } = await streams();
      const upload = uploadStream(this.#uploader, recorder, { name });
      const row = this.#follow(name, upload, 0, () => recorder.stop());
      recorder.addEventListener("stop", () => row.stopped());
    } catch {
      const text = messages().notRecorded;
      setText(this.#notice, text);
      this.#notice.hidden = false;
      this.#announcer.answer(text);
    }
  }

  #offer(stream: InterruptedStream, index: number): Offer {
    const { name, size } = stream;
    // What storage has of it is given up with it.
    const discard: (uploader: Uploader) => Promise<void> = stream.discard;
    return {
      // Two may have one name.
      id: `${index}/${size}/${name}`,
      name,
      needsFile: false,
      amount: () => bytes(size),
      hint: () => "",
      goOn: async () => void this.#follow(name, await stream.upload(this.#uploader), size),
      discard: () => discard(this.#uploader),
    };
  }

  #follow(name: string, upload: KeptUpload, kept: number, stop?: () => void): RecordingRow {
    const row = new RecordingRow(name, upload, this.#announcer, kept, stop);
    row.onRemove(() => {
      row.element.remove();
      this.#rows.delete(row);
      this.#showIfAny();
      byId("uploads-heading").focus();
    });
    this.#rows.add(row);
    byId("recordings-list").prepend(row.element);
    this.#showIfAny();
    // What has failed is kept.
    upload.done.catch(() => this.refresh());
    return row;
  }

  #showIfAny(): void {
    byId("recordings").hidden = this.#rows.size === 0;
  }
}
