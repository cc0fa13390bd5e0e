/** The worker that writes a stream to its file: only workers may write in place, so that a crash leaves what was written. */
import type { FromSpool, ToSpool } from "./spool-messages.js";

/** Longest time in which what was written is not on disk yet, in ms. Source: own choice; a crash loses no more than five seconds. */
const FLUSH_INTERVAL = 1000;

let access: FileSystemSyncAccessHandle | undefined;
let bytes = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

onmessage = async ({ data }: MessageEvent<ToSpool>) => {
  const post = (answer: FromSpool) => postMessage(answer);
  try {
    await carryOut(data);
    post({ type: "done", bytes });
  } catch (error) {
    const { name, message } = error as Error;
    post({ type: "failed", name, message });
  }
};

async function carryOut(message: ToSpool): Promise<void> {
  switch (message.type) {
    case "open": {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle(message.folder);
      access = await (await folder.getFileHandle(message.name)).createSyncAccessHandle();
      return;
    }
    case "write":
      write(message.bytes);
      timer ??= setTimeout(flush, FLUSH_INTERVAL);
      return;
    case "close":
      flush();
      access?.close();
  }
}

function write(chunk: Uint8Array): void {
  const written = access?.write(chunk, { at: bytes }) ?? 0;
  bytes += written;
  // Some browsers write less and say nothing.
  if (written < chunk.length) throw new DOMException("the disk is full", "QuotaExceededError");
}

function flush(): void {
  clearTimeout(timer);
  timer = undefined;
  access?.flush();
}
