/** The parts of a file that is sent in the segments of a plan. */
import { Crc64Nvme } from "../crc64nvme.js";
import { UploadError } from "../errors.js";
import type { PartContent, PartSource } from "../part-sender.js";
import { Refusal } from "../patience.js";
import type { Segment } from "./content-hasher.js";
import type { GrowingPlan } from "./growing-plan.js";

/** Of one file. */
export class SegmentParts implements PartSource {
  #file: Blob;
  #plan: GrowingPlan;
  #isInMemory: boolean;

  /** `isInMemory`: parts are sent from memory, for browsers that do not send files well. */
  constructor(file: Blob, plan: GrowingPlan, isInMemory: boolean) {
    this.#file = file;
    this.#plan = plan;
    this.#isInMemory = isInMemory;
  }

  async part(partNumber: number): Promise<PartContent | undefined> {
    const segment = this.#plan.segments[partNumber - 1];
    if (!segment) return undefined;
    const slice = this.#slice(segment);
    const content = this.#isInMemory ? new Blob([await read(slice)]) : slice;
    return { content, crc64nvme: segment.crc64nvme };
  }

  /** Known once all parts are. */
  async whole(): Promise<{ crc64nvme: string }> {
    return { crc64nvme: this.#plan.index!.crc64nvme };
  }

  /** Rejects with `file_changed` where the file is no longer what it was when it was indexed. */
  async check(partNumber: number, error: unknown): Promise<void> {
    const segment = this.#plan.segments[partNumber - 1]!;
    const slice = this.#slice(segment);
    // The browser says no more than that the request has failed.
    if (!(error instanceof Refusal)) return checkReadable(slice);
    if (error.status === 400 && (await checksumOf(slice)) !== segment.crc64nvme) throw fileChanged(error);
  }

  #slice({ offset, length }: Segment): Blob {
    return this.#file.slice(offset, offset + length);
  }
}

/** Rejects with `file_changed`, or `file_unreadable` where the file is gone: browsers refuse to read any of one that has changed. */
export async function checkReadable(file: Blob): Promise<void> {
  await read(file.slice(0, 1));
}

async function checksumOf(slice: Blob): Promise<string> {
  const checksum = new Crc64Nvme();
  const reader = slice.stream().getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return checksum.value;
      checksum.update(value);
    }
  } catch (cause) {
    throw fileChanged(cause);
  }
}

async function read(slice: Blob): Promise<ArrayBuffer> {
  try {
    return await slice.arrayBuffer();
  } catch (cause) {
    throw fileChanged(cause);
  }
}

function fileChanged(cause: unknown): UploadError {
  if ((cause as Error).name === "NotFoundError") {
    const failure = { code: "file_unreadable", message: "the file is gone", retryable: false } as const;
    return new UploadError(failure, { cause });
  }
  const message = "the file was changed while it was being uploaded";
  return new UploadError({ code: "file_changed", message, retryable: false }, { cause });
}
