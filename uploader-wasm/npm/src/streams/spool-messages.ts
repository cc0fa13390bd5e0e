import type { PrivatePath } from "../private-file.js";
import type { FromWorker } from "../worker-orders.js";

/** What the page and the worker that writes a stream say to each other. */
export type ToSpool = { id: number } & Order;

/** What the worker is told to do. */
export type Order =
  /** By names, for not every browser can post a file's handle. */
  | { type: "open"; path: PrivatePath }
  | { type: "write"; bytes: Uint8Array }
  /** Reads a piece of what was written, and its checksum. */
  | { type: "read"; at: number; length: number }
  /** Asks for the checksum of all of it. */
  | { type: "checksum" }
  /** Replaces what another file has. */
  | { type: "note"; path: PrivatePath; text: string }
  | { type: "close" };

export type FromSpool = FromWorker<Answer, SpoolFailure>;

/** Of what the browser threw. */
export interface SpoolFailure {
  name: string;
  message: string;
}

/** What the orders give, whichever of it they are about. */
export interface Answer {
  /** How many bytes the file has now. */
  bytes: number;
  /** CRC64NVME in base64. */
  crc64nvme?: string;
  content?: Uint8Array<ArrayBuffer>;
}
