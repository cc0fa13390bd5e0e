// What every page of the bench has in common. A page takes settings from the bench, uploads what its file input
// holds, and tells how long that took.

/**
 * @param {(settings: object) => Promise<(files: File[]) => Promise<void>>} prepare everything that a site would have
 *   done before a person picks files; what it gives uploads them all, and fails where one of them fails
 */
export function definePage(prepare) {
  let upload;
  globalThis.prepare = async (settings) => {
    upload = await prepare(settings);
  };
  globalThis.run = async () => {
    const files = [...document.querySelector("input").files];
    const startedAt = Date.now();
    const start = performance.now();
    await upload(files);
    return { startedAt, seconds: (performance.now() - start) / 1000 };
  };
  /** Keeps the main thread busy for most of the time, without taking processor time from the upload. */
  globalThis.blockMainThread = ({ url, freeMs }) => {
    const block = () => {
      const request = new XMLHttpRequest();
      request.open("GET", url, false);
      request.send();
      setTimeout(block, freeMs);
    };
    block();
  };
}
