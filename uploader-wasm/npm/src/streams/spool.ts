/**
 * The worker that writes a stream to its file, and reads what is to be sent: only workers may write in place, so that a crash
 * leaves what was written, and nobody else can read meanwhile.
 */
import { Crc64Nvme } from "../crc64nvme.js";
import { diskFull, openPrivateFile, writePrivateText } from "../private-file-access.js";
import type { Answer, FromSpool, Order, ToSpool } from "./spool-messages.js";

/** Longest time in which what was written is not on disk yet, in ms. Source: own choice; a crash loses no more than five seconds. */
const FLUSH_INTERVAL = 1000;

/** Bytes that are read at a time where only their checksum is wanted. Source: own choice. */
const PIECE = 1024 * 1024;

let access: FileSystemSyncAccessHandle;
let bytes = 0;
/** Of the first `summed` bytes. */
const whole = new Crc64Nvme();
let summed = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

onmessage = async ({ data: { id, ...order } }: MessageEvent<ToSpool>) => {
  const post = (message: FromSpool, moved: Transferable[] = []) => postMessage(message, moved);
  try {
    const found = await carryOut(order);
    const answer: Answer = { ...found, bytes };
    post({ id, type: "done", answer }, found?.content && [found.content.buffer]);
  } catch (error) {
    const { name, message } = error as Error;
    post({ id, type: "failed", failed: { name, message } });
  }
};

async function carryOut(order: Order): Promise<Omit<Answer, "bytes"> | void> {
  switch (order.type) {
    case "open":
      access = await openPrivateFile(order.path);
      bytes = access.getSize();
      return;
    case "write":
      write(order.bytes);
      timer ??= setTimeout(flush, FLUSH_INTERVAL);
      return;
    case "read": {
      const content = read(order.at, order.length);
      const checksum = new Crc64Nvme();
      checksum.update(content);
      return { content, crc64nvme: checksum.value };
    }
    case "checksum":
      return { crc64nvme: checksumOfAll() };
    case "note":
      return writePrivateText(order.path, order.text);
    case "close":
      flush();
      access.close();
  }
}

function write(chunk: Uint8Array): void {
  const written = access.write(chunk, { at: bytes });
  if (summed === bytes) {
    whole.update(chunk.subarray(0, written));
    summed += written;
  }
  bytes += written;
  // Some browsers write less and say nothing.
  if (written < chunk.length) throw diskFull();
}

function read(at: number, length: number): Uint8Array<ArrayBuffer> {
  const content = new Uint8Array(length);
  if (access.read(content, { at }) < length)
    throw new DOMException("the file is shorter", "NotReadableError");
  return content;
}

/** What an earlier page wrote is read for it. */
function checksumOfAll(): string {
  while (summed < bytes) {
    const piece = read(summed, Math.min(PIECE, bytes - summed));
    whole.update(piece);
    summed += piece.length;
  }
  return whole.value;
}

function flush(): void {
  clearTimeout(timer);
  timer = undefined;
  access.flush();
}
