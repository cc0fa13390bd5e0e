/**
 * What `<syncsphere-upload>` says: in English, German or Arabic as `lang` says, or as its property or attribute `texts`
 * does. `{name}` stands for a file's name, `{percent}` for how far it is.
 */
export interface UploadElementTexts {
  /** On the button that opens the picker. */
  chooseFile: string;
  /** The same where `multiple` is set. */
  chooseFiles: string;
  /** The same where `directory` is set. */
  chooseFolder: string;
  /** Beside that button. */
  dropFile: string;
  /** The same where `multiple` is set. */
  dropFiles: string;
  pause: string;
  resume: string;
  abort: string;
  retry: string;
  /** On the buttons of an upload that an earlier page left unfinished. */
  continue: string;
  discard: string;
  /** On the button that takes a file off the list. */
  remove: string;
  queued: string;
  uploading: string;
  paused: string;
  offline: string;
  /** Of what an earlier page left. */
  interrupted: string;
  completing: string;
  available: string;
  failed: string;
  /** Told to screen readers, when nothing is under way any more: one file has ended well, one has not, or several have ended. */
  uploaded: string;
  notUploaded: string;
  /** `{count}` of `{total}` files. */
  allUploaded: string;
  /** Where a file does not fit `accept`. */
  notAccepted: string;
  /** Where a file is larger than `max-size`, the `{limit}`. */
  tooLarge: string;
  /** Where there are `max-files` already, the `{count}`. */
  tooMany: string;
  /** Where a dropped folder holds no files. */
  emptyFolder: string;
  /** Where the browser cannot read what was dropped. */
  unreadable: string;
  /** Why the form is not sent: `required`, and no file. */
  missing: string;
  /** Why the form is not sent yet. */
  underWay: string;
}

export const ENGLISH_LABELS: UploadElementTexts = {
  chooseFile: "Choose a file",
  chooseFiles: "Choose files",
  chooseFolder: "Choose a folder",
  dropFile: "or drop it here",
  dropFiles: "or drop them here",
  pause: "Pause",
  resume: "Resume",
  abort: "Cancel",
  retry: "Try again",
  continue: "Continue",
  discard: "Discard",
  remove: "Remove",
  queued: "Waiting",
  uploading: "{percent}",
  paused: "Paused at {percent}",
  offline: "Waiting for the network at {percent}",
  interrupted: "Interrupted at {percent}",
  completing: "Finishing",
  available: "Uploaded",
  failed: "Failed",
  uploaded: "{name} is uploaded.",
  notUploaded: "{name} could not be uploaded.",
  allUploaded: "{count} of {total} files are uploaded.",
  notAccepted: "{name} is not of a kind that is accepted.",
  tooLarge: "{name} is larger than {limit}.",
  tooMany: "No more files can be added: the limit is {count}.",
  emptyFolder: "{name} holds no files.",
  unreadable: "{name} cannot be read.",
  missing: "Please choose a file.",
  underWay: "Please wait until the upload is finished.",
};

/** Texts of an attribute, which is JSON; without what is none. */
export function parseTexts(json: string | null): Partial<UploadElementTexts> {
  let value: unknown;
  try {
    value = JSON.parse(json ?? "{}");
  } catch {
    return {};
  }
  const texts = Object.entries(value ?? {}).filter(([, text]) => typeof text === "string");
  return Object.fromEntries(texts) as Partial<UploadElementTexts>;
}

/** A text with its places filled in. */
export function format(text: string, values: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => values[name] ?? place);
}
