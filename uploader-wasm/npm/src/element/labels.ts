/**
 * What `<syncsphere-upload>` says, in English unless its property `texts` is given others. `{name}` stands for a
 * file's name, `{percent}` for how far it is.
 */
export interface UploadElementTexts {
  /** On the button that opens the picker. */
  chooseFile: string;
  /** The same where `multiple` is set. */
  chooseFiles: string;
  /** Beside that button. */
  dropFile: string;
  /** The same where `multiple` is set. */
  dropFiles: string;
  pause: string;
  resume: string;
  abort: string;
  retry: string;
  /** On the button that takes a file off the list. */
  remove: string;
  queued: string;
  uploading: string;
  paused: string;
  offline: string;
  completing: string;
  available: string;
  failed: string;
  /** Told to screen readers, when nothing is under way any more: one file has ended well, one has not, or several have ended. */
  uploaded: string;
  notUploaded: string;
  /** `{count}` of `{total}` files. */
  allUploaded: string;
  /** Where a dropped file does not fit `accept`. */
  notAccepted: string;
  /** Why the form is not sent: `required`, and no file. */
  missing: string;
  /** Why the form is not sent yet. */
  underWay: string;
}

export const ENGLISH_LABELS: UploadElementTexts = {
  chooseFile: "Choose a file",
  chooseFiles: "Choose files",
  dropFile: "or drop it here",
  dropFiles: "or drop them here",
  pause: "Pause",
  resume: "Resume",
  abort: "Cancel",
  retry: "Try again",
  remove: "Remove",
  queued: "Waiting",
  uploading: "{percent}",
  paused: "Paused at {percent}",
  offline: "Waiting for the network at {percent}",
  completing: "Finishing",
  available: "Uploaded",
  failed: "Failed",
  uploaded: "{name} is uploaded.",
  notUploaded: "{name} could not be uploaded.",
  allUploaded: "{count} of {total} files are uploaded.",
  notAccepted: "{name} is not of a kind that is accepted.",
  missing: "Please choose a file.",
  underWay: "Please wait until the upload is finished.",
};

/** A text with its places filled in. */
export function format(text: string, values: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => values[name] ?? place);
}
