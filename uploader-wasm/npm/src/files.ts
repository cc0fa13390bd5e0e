/** `@syncsphere/uploader/files`: the workspace's files, without an `Uploader` and its workers. */
import { bytesOfBase64 } from "./base64.js";
import { CoordinatorClient, unexpectedReply, type JsonObject } from "./coordinator-client.js";
import { FileDownload, type DownloadOptions } from "./downloads/file-download.js";
import { readFileRecord } from "./file-record.js";
import type {
  ContentLink,
  ContentOptions,
  FilePage,
  FileQuery,
  FileRecord,
  RequestOptions,
  WorkspaceOptions,
} from "./types.js";

export { FileDownload, type DownloadOptions, type FileDownloadEventMap } from "./downloads/file-download.js";
export type * from "./types.js";

/**
 * The files of one workspace, as the coordinator knows them. Every method asks the coordinator once, and once more
 * with another token where it no longer takes the last one; rejects with an `UploadError`.
 */
export class Workspace {
  #client: CoordinatorClient;

  /** Asks for nothing yet. Throws a `TypeError` on options that cannot be used. */
  constructor(options: WorkspaceOptions) {
    this.#client = new CoordinatorClient(options);
  }

  /** A page of the files. The next one has the same query and this one's `nextCursor` as `cursor`. */
  async files({ signal, ...query }: FileQuery = {}): Promise<FilePage> {
    const page = await this.#request("GET", `/v1/files${queryString(query)}`, signal);
    if (!Array.isArray(page.files)) throw unexpectedReply();
    return page as unknown as FilePage;
  }

  /** All files from `cursor` on, page after page as the loop gets there. */
  async *allFiles(query: FileQuery = {}): AsyncGenerator<FileRecord, void, undefined> {
    let { cursor } = query;
    do {
      const page = await this.files({ ...query, cursor });
      yield* page.files;
      cursor = page.nextCursor;
    } while (cursor !== undefined);
  }

  /** One file, whatever its status. Rejects with `not_found`, also where it is another workspace's. */
  async file(fileId: string, { signal }: RequestOptions = {}): Promise<FileRecord> {
    return readFileRecord(await this.#request("GET", filePath(fileId), signal));
  }

  /**
   * Removes an available file, its content included, for everybody; needs the scope `files:write`. Gives its record,
   * `deleted`, again where it was deleted before. Rejects with `conflict` while it is uploading: abort that instead.
   */
  async deleteFile(fileId: string, { signal }: RequestOptions = {}): Promise<FileRecord> {
    return readFileRecord(await this.#request("DELETE", filePath(fileId), signal));
  }

  /**
   * The versions of a file that are there, newest first, by the `fileId` of any of them: 1,000 at most, and as many as about 1 MiB of records
   * holds.
   */
  async versions(fileId: string, { signal }: RequestOptions = {}): Promise<FileRecord[]> {
    const { versions } = await this.#request("GET", `${filePath(fileId)}/versions`, signal);
    if (!Array.isArray(versions)) throw unexpectedReply();
    return versions as FileRecord[];
  }

  /**
   * Makes a version the newest of its file again, without a byte; needs the scopes `files:read` and `files:write`. Gives the new record, which belongs
   * to who asks and counts by its size; where the newest has this content and name already, that one's. Rejects with `not_found` where the version is not
   * available, and with `quota_exceeded`.
   */
  async restore(fileId: string, { signal }: RequestOptions = {}): Promise<FileRecord> {
    const { file } = await this.#request("POST", `${filePath(fileId)}/restore`, signal);
    return readFileRecord((file ?? {}) as JsonObject);
  }

  /**
   * A link to a file's content for a download, an `<img>` or a `<video>`. It lasts five minutes unless `expires` says
   * otherwise, so ask when it is needed. Rejects with `conflict` while the file is uploading.
   */
  async content(fileId: string, { signal, ...query }: ContentOptions = {}): Promise<ContentLink> {
    const path = `${filePath(fileId)}/content${queryString(query)}`;
    const { url, expiresAt } = await this.#request("GET", path, signal);
    // Pages put it into links, where other schemes than these would run as scripts.
    if (typeof url !== "string" || !/^https?:\/\//.test(url)) throw unexpectedReply();
    return { url, expiresAt: String(expiresAt) };
  }

  /**
   * Downloads a file in ranges, several at a time, each byte to its place: no more of it is in memory than what is under way. It is
   * given when its CRC64NVME is the record's; where the record has none (storage that proves content by MD5, or not at all), its size has to do.
   *
   * A private file (the default) is gone on with after a reload: the next download of the same file to the same place fetches what is missing. A picked one
   * begins anew, since browsers drop what was written with the page. `signal` ends it as `abort` does. Throws a `TypeError` on options that cannot be used.
   *
   * `done` rejects with `conflict` while the file is uploading, and where another page downloads to the same place; with `unsupported` where there is
   * no private file system and no `to`, with `file_unreadable` where there is no room or no permission to write, and with `checksum_mismatch` or `file_changed` where
   * storage gives other content: what was written is removed then.
   */
  download(fileId: string, options: DownloadOptions = {}): FileDownload {
    return new FileDownload(this, fileId, options);
  }

  /** @internal */
  async chunks(fileId: string, { signal }: RequestOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const { chunks } = await this.#request("GET", `${filePath(fileId)}/chunks`, signal);
    return bytesOfBase64(String(chunks));
  }

  /** Sequence number of the newest change, for `Uploader.changes({ since })`; 0 where nothing ever happened. */
  async newest({ signal }: RequestOptions = {}): Promise<number> {
    const { seq } = await this.#request("GET", "/v1/changes?since=0&limit=1", signal);
    if (typeof seq !== "number") throw unexpectedReply();
    return seq;
  }

  #request(method: "GET" | "POST" | "DELETE", path: string, signal?: AbortSignal): Promise<JsonObject> {
    return this.#client.request({ method, path, signal });
  }
}

function filePath(fileId: string): string {
  return `/v1/files/${encodeURIComponent(fileId)}`;
}

function queryString(query: object): string {
  const fields = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]: [string, unknown]) => [
      name,
      value instanceof Date ? value.toISOString() : String(value),
    ]);
  return fields.length > 0 ? `?${new URLSearchParams(fields)}` : "";
}
