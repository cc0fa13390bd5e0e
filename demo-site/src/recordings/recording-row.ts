import type { FileRecord } from "@syncsphere/uploader";
import { bytes, shownName } from "../format.ts";
import { errorMessage } from "../language/error-message.ts";
import { interpolate, messages } from "../language/messages.ts";
import { control, copyTemplate, nameControls, part, setText, showButtons } from "../dom.ts";
import type { OutcomeListener } from "../uploads/upload-row.ts";

/** What is kept and sent of a stream: tells `spooled` and `sent`, each with the `bytes` so far. */
export interface KeptUpload extends EventTarget {
  readonly done: Promise<FileRecord>;
  abort(): Promise<void>;
}

type RecordingState = "recording" | "uploading" | "available" | "failed" | "aborted";

/** A recording on the page, under way or being uploaded: shows how much is kept and sent, and stops or discards it. */
export class RecordingRow {
  readonly element = copyTemplate("recording-template");
  readonly #name: string;
  readonly #upload: KeptUpload;
  readonly #ends: OutcomeListener;
  readonly #problem = part(this.element, "problem");
  #state: RecordingState;
  #kept: number;
  #sent = 0;
  #error: unknown;

  /** `stop` ends the recording; without it there is one no more. `kept` are the bytes that were kept before. */
  constructor(name: string, upload: KeptUpload, ends: OutcomeListener, kept: number, stop?: () => void) {
    this.#name = shownName(name);
    this.#upload = upload;
    this.#ends = ends;
    this.#kept = kept;
    this.#state = stop ? "recording" : "uploading";
    this.element.dataset.name = name;
    part(this.element, "name").textContent = this.#name;
    nameControls(this.element, this.#name);
    control(this.element, "stop").addEventListener("click", () => stop?.());
    control(this.element, "discard-recording").addEventListener("click", () => void upload.abort());
    this.#follow();
    this.#show();
  }

  get ended(): boolean {
    return !["recording", "uploading"].includes(this.#state);
  }

  /** Nothing more is recorded. */
  stopped(): void {
    if (this.#state === "recording") this.#move("uploading");
  }

  /** Calls `remove` once a person has seen how it ended. */
  onRemove(remove: () => void): void {
    control(this.element, "remove-recording").addEventListener("click", remove);
  }

  /** Says everything again, in the page's language. */
  relabel(): void {
    this.#show();
    if (this.#state === "failed") setText(this.#problem, errorMessage(this.#error));
  }

  #follow(): void {
    const bytesOf = (event: Event) => (event as CustomEvent<{ bytes: number }>).detail.bytes;
    this.#upload.addEventListener("spooled", (event) => {
      this.#kept = bytesOf(event);
      this.#show();
    });
    this.#upload.addEventListener("sent", (event) => {
      this.#sent = bytesOf(event);
      this.#show();
    });
    this.#upload.done.then(
      ({ size }) => {
        this.#kept = this.#sent = size;
        this.#move("available");
        this.#ends.uploaded(this.#name);
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #fail(error: unknown): void {
    if ((error as { code?: unknown }).code === "aborted") return this.#move("aborted");
    this.#error = error;
    const why = errorMessage(error);
    setText(this.#problem, why);
    this.#problem.hidden = false;
    this.#move("failed");
    this.#ends.failed(this.#name, why);
  }

  #move(state: RecordingState): void {
    this.#state = state;
    this.#show();
  }

  #show(): void {
    const { recordingNow, states, keptBytes, sentBytes } = messages();
    const state = this.#state;
    this.element.dataset.state = state;
    setText(part(this.element, "state"), state === "recording" ? recordingNow : states[state]);
    setText(part(this.element, "kept"), interpolate(keptBytes, { amount: bytes(this.#kept) }));
    setText(part(this.element, "sent"), interpolate(sentBytes, { amount: bytes(this.#sent) }));
    showButtons(
      [
        [control(this.element, "stop"), state === "recording"],
        [control(this.element, "discard-recording"), !this.ended],
        [control(this.element, "remove-recording"), this.ended],
      ],
      this.element,
    );
  }
}
