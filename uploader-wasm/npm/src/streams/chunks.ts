/** The bytes of a source as they come. */
import { UploadError } from "../errors.js";
import type { StreamSource } from "./stream-source.js";

/** How often a `MediaRecorder` is asked for what it has, in ms. Source: own choice; a crash loses no more than five seconds. */
const RECORDING_INTERVAL = 1000;

/** Where the signal fires it ends, and the source is cancelled; where the source fails it throws `file_unreadable`. */
export async function* chunksOf(source: StreamSource, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const stream = "getReader" in source ? source : recorded(source);
  const reader = (stream as ReadableStream<Uint8Array | ArrayBuffer | Blob | string>).getReader();
  const cancel = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", cancel);
  try {
    if (signal.aborted) return cancel();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return;
      yield await bytesOf(value);
    }
  } catch (cause) {
    const failure = { code: "file_unreadable", message: "the stream failed", retryable: false } as const;
    throw cause instanceof UploadError ? cause : new UploadError(failure, { cause });
  } finally {
    signal.removeEventListener("abort", cancel);
    // A source that nobody reads any more must not go on recording.
    cancel();
  }
}

/** What a recorder records; it is started unless it runs already, and stopped where nobody listens any more. */
function recorded(recorder: MediaRecorder): ReadableStream<Blob> {
  let timer: ReturnType<typeof setInterval>;
  // It tells of what it has when it is stopped, and nothing can be added to a stream that was cancelled.
  const listening = new AbortController();
  const { signal } = listening;
  const end = () => {
    clearInterval(timer);
    listening.abort();
  };
  return new ReadableStream<Blob>({
    start(controller) {
      recorder.addEventListener("dataavailable", ({ data }) => controller.enqueue(data), { signal });
      recorder.addEventListener(
        "stop",
        () => {
          end();
          controller.close();
        },
        { signal },
      );
      recorder.addEventListener(
        "error",
        (event) => {
          end();
          controller.error(event);
        },
        { signal },
      );
      if (recorder.state === "inactive") recorder.start();
      timer = setInterval(() => recorder.state === "recording" && recorder.requestData(), RECORDING_INTERVAL);
    },
    cancel() {
      end();
      if (recorder.state !== "inactive") recorder.stop();
    },
  });
}

async function bytesOf(chunk: Uint8Array | ArrayBuffer | Blob | string): Promise<Uint8Array> {
  if (chunk instanceof Uint8Array) return chunk;
  return new Uint8Array(await new Response(chunk).arrayBuffer());
}
