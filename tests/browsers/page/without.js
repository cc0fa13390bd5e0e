// The package's worker in a browser that lacks something, or has it and refuses it.

const refuse = () => {
  throw new DOMException("The operation is insecure.", "SecurityError");
};
const lacks = (owner, name) => Object.defineProperty(owner, name, { value: undefined });
const refuses = (owner, name) => Object.defineProperty(owner, name, { get: refuse });

const faults = {
  "no BroadcastChannel": () => delete globalThis.BroadcastChannel,
  "a refused BroadcastChannel": () => (globalThis.BroadcastChannel = refuse),
  "no locks": () => lacks(navigator, "locks"),
  "refused locks": () => {
    navigator.locks.request = async () => refuse();
    navigator.locks.query = async () => refuse();
  },
  "locks that throw": () => refuses(navigator, "locks"),
  "no IndexedDB": () => lacks(globalThis, "indexedDB"),
  "a refused IndexedDB": () => (IDBFactory.prototype.open = refuse),
  "an IndexedDB that throws": () => refuses(globalThis, "indexedDB"),
  "a full disk": () => {
    IDBObjectStore.prototype.put = () => {
      throw new DOMException("no room is left", "QuotaExceededError");
    };
  },
  "no file system of its own": () => lacks(navigator, "storage"),
  "no reader that fills a buffer": () => {
    const { getReader } = ReadableStream.prototype;
    ReadableStream.prototype.getReader = function (options) {
      if (options?.mode) throw new TypeError("mode is not known");
      return getReader.call(this);
    };
  },
  "no streams of files": () => delete Blob.prototype.stream,
};
for (const name of decodeURIComponent(location.search.slice(1)).split(",")) faults[name]();

// What arrives before the script has been loaded is given to it then.
const early = [];
onmessage = (event) => early.push(event);
await import("/uploader/worker.js");
for (const event of early) globalThis.onmessage(event);
