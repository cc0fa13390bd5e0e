/** One range of a file, from a file of this machine to its place. */
import { Crc64Nvme } from "../crc64nvme.js";
import type { CopyOrder, RangeAnswer } from "./messages.js";
import { written, type Target } from "./target.js";

/**
 * Writes each chunk when it is read. Gives `undefined` where the content cannot be read, as of a file that was changed or removed: what
 * was written of it has to be replaced. Rejects with an `UploadError` where it cannot be written.
 */
export async function copyRange(
  { content, at }: CopyOrder,
  target: Target,
  signal: AbortSignal,
): Promise<RangeAnswer | undefined> {
  const checksum = new Crc64Nvme();
  const reader = content.stream().getReader();
  let bytes = 0;
  try {
    for (;;) {
      signal.throwIfAborted();
      const read = await reader.read().catch(() => undefined);
      if (!read) return undefined;
      if (read.done) break;
      const chunk = read.value as Uint8Array<ArrayBuffer>;
      checksum.update(chunk);
      await written(() => target.write(chunk, at + bytes));
      bytes += chunk.length;
    }
    if (bytes < content.size) return undefined;
    await written(() => target.flush());
    return { checksum: checksum.value };
  } finally {
    reader.cancel().catch(() => {});
  }
}
