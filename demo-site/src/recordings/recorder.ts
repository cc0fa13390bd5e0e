/** What a person's camera or screen shows, as it is recorded. */

/** Where pictures come from. */
export type PictureSource = "camera" | "screen";

/** Whether the browser can record from there, and keep what it records. */
export function canRecord(source: PictureSource): boolean {
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  const ask = source === "camera" ? devices?.getUserMedia : devices?.getDisplayMedia;
  return Boolean(ask) && typeof MediaRecorder === "function" && canKeep();
}

/** Whether the browser has a private file system, where streams are kept. */
export function canKeep(): boolean {
  return typeof (navigator.storage as StorageManager | undefined)?.getDirectory === "function";
}

/** Asks the person, and gives a recorder that has not begun. It lets go of camera or screen when it stops. */
export async function openRecorder(source: PictureSource): Promise<MediaRecorder> {
  const devices = navigator.mediaDevices;
  const stream =
    source === "camera"
      ? await devices.getUserMedia({ video: true, audio: true })
      : await devices.getDisplayMedia({ video: true });
  const recorder = new MediaRecorder(stream, { mimeType: mediaType() });
  recorder.addEventListener("stop", () => {
    for (const track of stream.getTracks()) track.stop();
  });
  return recorder;
}

/** A name for what begins to be recorded now: in the order of time, and without signs that file systems refuse. */
export function recordingName(recorder: MediaRecorder): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  return `recording-${time}.${recorder.mimeType.includes("mp4") ? "mp4" : "webm"}`;
}

/** Safari records MP4 alone. */
function mediaType(): string {
  return MediaRecorder.isTypeSupported("video/webm") ? "video/webm" : "video/mp4";
}
