/** The parts of a stream, as its file has them. */
import type { PartContent, PartSource } from "../part-sender.js";
import type { Growth } from "../growth.js";
import type { SpoolFile } from "./spool-file.js";

/** The stream has more parts than the upload may have. */
export class TooManyParts extends Error {}

/** Of one stream. */
export class SpoolParts implements PartSource {
  #spool: SpoolFile;
  #growth: Growth;
  #limits: { partSize: number; partCount: number };
  #isChecked: boolean;

  /** `isChecked`: parts are told with checksums. */
  constructor(
    spool: SpoolFile,
    growth: Growth,
    limits: { partSize: number; partCount: number },
    isChecked: boolean,
  ) {
    this.#spool = spool;
    this.#growth = growth;
    this.#limits = limits;
    this.#isChecked = isChecked;
  }

  /** Each part once it is full, the last one when the stream has ended. Rejects with `TooManyParts`. */
  async part(partNumber: number, signal: AbortSignal): Promise<PartContent | undefined> {
    const { partSize, partCount } = this.#limits;
    const at = (partNumber - 1) * partSize;
    const size = (await this.#growth.upTo(at + partSize, signal)) - at;
    if (size <= 0) return undefined;
    if (partNumber > partCount) throw new TooManyParts();
    const { content, crc64nvme } = await this.#spool.read(at, size);
    const body = new Blob([content]);
    return this.#isChecked ? { content: body, crc64nvme } : { content: body };
  }

  async whole(): Promise<{ size: number; crc64nvme?: string }> {
    const size = this.#growth.length;
    return this.#isChecked ? { size, crc64nvme: await this.#spool.checksum() } : { size };
  }
}
