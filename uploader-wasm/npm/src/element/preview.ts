/** Larger files get no picture, in bytes: decoding takes memory by the picture's size. Source: own choice. */
const MAX_SIZE = 32 * 2 ** 20;

/** Width and height of a picture, in device pixels. Source: twice the 3 rem of `styles.ts`. */
const SIDE = 96;

/** One file is decoded at a time. */
let last: Promise<void> = Promise.resolve();

/**
 * Draws what an image file shows into a canvas, which stays hidden where the browser cannot read it. Not by an address of
 * the file: a page's Content Security Policy may know no `blob:`, and a large picture would stay in memory.
 */
export function drawPreview(canvas: HTMLCanvasElement, file: Blob): void {
  canvas.hidden = true;
  if (!file.type.startsWith("image/") || file.size > MAX_SIZE) return;
  last = last.then(async () => {
    if (!canvas.isConnected) return;
    try {
      const image = await createImageBitmap(file);
      const scale = SIDE / Math.min(image.width, image.height);
      const [width, height] = [image.width * scale, image.height * scale];
      canvas.width = canvas.height = SIDE;
      canvas.getContext("2d")?.drawImage(image, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
      image.close();
      canvas.hidden = false;
    } catch {
      // Not of a kind that this browser shows, or damaged: it is uploaded all the same.
    }
  });
}
