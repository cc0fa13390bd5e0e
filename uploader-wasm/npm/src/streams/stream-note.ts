/** What is written down beside a stream's bytes, for the page that goes on after a crash. */

/** How the file was described by the page, and its upload, once there is one. */
export interface StreamNote extends StreamDescription {
  upload?: KeptUpload;
}

/** What the coordinator is told of a file. */
export interface StreamDescription {
  name: string;
  path?: string;
  metadata?: Record<string, string>;
  contentType?: string;
}

/** An upload that the stream's parts belong to. */
export interface KeptUpload {
  /** Of the coordinator. */
  endpoint: string;
  uploadId: string;
  /** Whether its parts are told with checksums. */
  isChecked: boolean;
}

/** `undefined` of what is damaged, as after a crash in the middle of writing it. */
export function parseNote(text: string): StreamNote | undefined {
  try {
    const { name, path, metadata, contentType, upload } = JSON.parse(text) as StreamNote;
    const isSound = typeof name === "string" && (upload === undefined || isUpload(upload));
    return isSound ? { name, path, metadata, contentType, upload } : undefined;
  } catch {
    return undefined;
  }
}

function isUpload({ endpoint, uploadId, isChecked }: KeptUpload): boolean {
  return typeof endpoint === "string" && typeof uploadId === "string" && typeof isChecked === "boolean";
}
