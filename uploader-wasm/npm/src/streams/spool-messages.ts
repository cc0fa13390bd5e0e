/** What the page and the worker that writes a stream say to each other. */
export type ToSpool = { id: number } & Order;

/** What the worker is told to do. */
export type Order =
  /** By names, for not every browser can post a file's handle. */
  | { type: "open"; folder: string; name: string }
  | { type: "write"; bytes: Uint8Array }
  /** Reads a piece of what was written, and its checksum. */
  | { type: "read"; at: number; length: number }
  /** Asks for the checksum of all of it. */
  | { type: "checksum" }
  /** Replaces what another file of the folder has. */
  | { type: "note"; folder: string; name: string; text: string }
  | { type: "close" };

/** One answer to each message, by its `id`. */
export type FromSpool = { id: number } & (
  { type: "done"; answer: Answer } | { type: "failed"; name: string; message: string }
);

/** What the orders give, whichever of it they are about. */
export interface Answer {
  /** How many bytes the file has now. */
  bytes: number;
  /** CRC64NVME in base64. */
  crc64nvme?: string;
  content?: Uint8Array<ArrayBuffer>;
}
