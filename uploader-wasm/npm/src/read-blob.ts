/** The bytes of files and slices in order, and what it means where they cannot be read. */
import type { ReadFailure } from "./messages.js";

/**
 * Bytes read at a time.
 *
 * Source: `docs/client.md`, measured: of seven ways to hash 1 GiB over six lanes, a BYOB reader over one 1 MiB
 * buffer was the fastest and took the least memory.
 */
export const CHUNK_SIZE = 1024 * 1024;

/**
 * Bytes of a slice that are streamed at a time where a stream is read whole, whoever waits for it.
 *
 * Source: measured, `docs/browsers.md`: 63 MB above idle instead of 175 for 6 GiB.
 */
const STREAM_SIZE = 4 * CHUNK_SIZE;

/** Whether streams fill a buffer of ours, and are read no further than that. */
let fillsOurBuffer = true;

/** The buffer that a stream's reader fills, used over and over, while no reader has it. */
let spareBuffer: ArrayBuffer | undefined;

/** A slice's bytes in order, by a stream as far as the browser can. Each chunk is good until the next is asked for. */
export async function* chunks(slice: Blob): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  let at = 0;
  try {
    while (slice.size - at > CHUNK_SIZE) {
      for await (const chunk of streamed(slice.slice(at, fillsOurBuffer ? slice.size : at + STREAM_SIZE))) {
        at += chunk.length;
        yield chunk;
      }
    }
  } catch {
    // Streams of large files fail in older WebKit: the chunks below go on where the stream ended.
  }
  while (at < slice.size) {
    const chunk = await read(slice, at);
    at += chunk.length;
    yield chunk;
    giveBack(chunk.buffer);
  }
}

/** The same by a stream alone; throws where there is none. */
async function* streamed(slice: Blob): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const stream = slice.stream();
  let reader: ReadableStreamBYOBReader | undefined;
  try {
    try {
      reader = stream.getReader({ mode: "byob" });
    } catch {
      // WebKit has no such reader of blobs. Its other one gives chunks of its own, and is more than twice as fast as
      // `arrayBuffer()` of chunks. Source: measured, `docs/browsers.md`.
      fillsOurBuffer = false;
      reader = stream.getReader() as unknown as ReadableStreamBYOBReader;
    }
    for (let at = 0; at < slice.size;) {
      // The other reader looks at no argument.
      const view = fillsOurBuffer && new Uint8Array(takeSpareBuffer());
      const { done, value } = await reader.read(view as Uint8Array<ArrayBuffer>);
      if (done) throw new FileChanged();
      at += value.length;
      try {
        yield value;
      } finally {
        // Also where nobody wants the rest.
        if (fillsOurBuffer) spareBuffer = value.buffer;
        else giveBack(value.buffer);
      }
    }
  } finally {
    // A stream that has failed already rejects; nobody needs to hear of it.
    reader?.cancel().catch(() => {});
  }
}

function takeSpareBuffer(): ArrayBuffer {
  const buffer = spareBuffer ?? new ArrayBuffer(CHUNK_SIZE);
  spareBuffer = undefined;
  return buffer;
}

/** The chunk of a slice that begins there. */
export async function read(slice: Blob, at: number): Promise<Uint8Array<ArrayBuffer>> {
  const end = Math.min(at + CHUNK_SIZE, slice.size);
  const bytes = new Uint8Array(await slice.slice(at, end).arrayBuffer());
  // The file has become shorter.
  if (bytes.length < end - at) throw new FileChanged();
  return bytes;
}

/** Ends a buffer that nobody needs any more; older browsers keep its memory until they collect garbage. */
export function giveBack(buffer: ArrayBuffer & { transfer?(length: number): unknown }): void {
  buffer.transfer?.(0);
}

/** A file has other bytes than it had: its size or its content says so. */
export class FileChanged extends Error {}

/**
 * What an error of reading means; `undefined` for what is no such error. The names that browsers give to it mean a file
 * that was edited in one and one that is gone in another, so none of them is proof of an edit: `edit-evidence.ts` is.
 */
export function readFailure(error: unknown): ReadFailure | undefined {
  if (error instanceof FileChanged) return "file_changed";
  return error instanceof DOMException ? "file_unreadable" : undefined;
}
