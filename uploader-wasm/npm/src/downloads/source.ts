import type { ContentLink, FileRecord, RequestOptions } from "../types.js";

/** What a download asks of the workspace. */
export interface DownloadSource {
  file(fileId: string, options: RequestOptions): Promise<FileRecord>;
  content(fileId: string, options: RequestOptions): Promise<ContentLink>;
}
