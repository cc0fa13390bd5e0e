/**
 * Saves what a presigned URL leads to. The frame keeps a failing storage server from replacing the page, and the
 * browser from asking whether to leave it, as both would happen if the page itself went there.
 */
export function download(url: string): void {
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.src = url;
  document.body.append(frame);
  frames.push(frame);
  if (frames.length > MOST_FRAMES) frames.shift()?.remove();
}

const frames: HTMLIFrameElement[] = [];

// A frame tells nobody when its download has begun, and may go only after that.
// Source: own choice; nobody starts this many downloads before the first has been answered.
const MOST_FRAMES = 8;
