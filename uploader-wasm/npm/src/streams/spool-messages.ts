/** What the page and the worker that writes a stream say to each other. */
export type ToSpool =
  /** By names, for not every browser can post a file's handle. */
  { type: "open"; folder: string; name: string } | { type: "write"; bytes: Uint8Array } | { type: "close" };

/** One answer to each message. `bytes` is how many the file has now. */
export type FromSpool = { type: "done"; bytes: number } | { type: "failed"; name: string; message: string };
