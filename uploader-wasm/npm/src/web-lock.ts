/** Takes a Web Lock, until it is released by what this gives or the page is gone; `undefined` where it is another's. */
export function acquireLock(name: string): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    const hold = (lock: Lock | null) =>
      lock ? new Promise<void>((release) => resolve(release)) : resolve(undefined);
    navigator.locks.request(name, { ifAvailable: true }, hold).catch(reject);
  });
}
