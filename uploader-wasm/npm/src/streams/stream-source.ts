/** What can be uploaded as it comes: bytes, text or `Blob`s, or what a `MediaRecorder` records. */
export type StreamSource = ReadableStream<Uint8Array | ArrayBuffer | Blob | string> | MediaRecorder;
