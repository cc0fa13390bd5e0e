import type { ContentLink, FileRecord, RequestOptions } from "../types.js";

/** What a download asks of the workspace. */
export interface DownloadSource {
  file(fileId: string, options: RequestOptions): Promise<FileRecord>;
  content(fileId: string, options: RequestOptions): Promise<ContentLink>;
  /** The content index of the file, as docs/api.md packs it. Rejects with `not_found` where it has none. */
  chunks(fileId: string, options: RequestOptions): Promise<Uint8Array<ArrayBuffer>>;
}
