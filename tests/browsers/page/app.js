// What the tests of every engine call in the page: the package as another site would use it, and files of every origin.

const parameters = new URLSearchParams(location.search);
const workspace = parameters.get("workspace");
/** The names of what the workers have to do without: see `without.js`. */
const without = parameters.get("without");
const inline = parameters.has("inline");

const { Uploader } = await import(inline ? "/uploader/inline.js" : "/uploader/index.js");

/** How often `token()` was called: "once" before one gives it only the first time, and then nothing for ever. */
let asked = 0;

async function token() {
  if (parameters.has("token")) {
    const [given, once] = parameters.get("token").split(" ").reverse();
    return once && asked++ > 0 ? new Promise(() => {}) : given;
  }
  const body = new URLSearchParams({ grant_type: "urn:syncsphere:guest", workspace });
  return (await (await fetch("/v1/auth/token", { method: "POST", body })).json()).access_token;
}

/** What was logged, and the uploads by the names that the tests gave them. */
const logged = [];
const tasks = new Map();
const log = (level) => (message) => logged.push({ level, message });

const uploader = new Uploader({
  endpoint: location.origin,
  token,
  partSize: 5 * 1024 * 1024,
  logger: { debug: log("debug"), warn: log("warn") },
  ...(without && { workerUrl: `/check/without.js?${without}` }),
  ...JSON.parse(parameters.get("options") ?? "{}"),
});

/** Source: `PartStates` of the package's types. */
const STORED = 3;

function follow(name, task) {
  const seen = { name, state: task.state, loaded: 0, states: [], code: undefined, fileId: undefined };
  tasks.set(name, { task, seen });
  task.addEventListener("statechange", () => {
    seen.state = task.state;
    seen.states.push(task.state);
    if (task.state === "completing") seen.completingAt = performance.now();
  });
  task.addEventListener("progress", ({ detail }) => {
    seen.loaded = detail.loaded;
    if (detail.loaded === detail.total) seen.sentAt ??= performance.now();
  });
  task.addEventListener("parts", ({ detail }) => {
    seen.stored = detail.states.filter((state) => state === STORED).length;
  });
  task.done.then(
    (record) => (seen.fileId = record.fileId),
    (error) => Object.assign(seen, { code: error.code, message: error.message }),
  );
}

// Of other pages, where they share their uploads.
uploader.addEventListener("task", ({ detail }) => follow(detail.name, detail));

async function sha256(content) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await content.arrayBuffer()));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Bytes that repeat nowhere, in pieces as large as browsers give out at a time. */
function noise(size) {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  return bytes;
}

/** Files that no person picked, of about so many bytes. */
const made = {
  "a File of bytes": (size) => new File([noise(size)], "bytes.bin"),
  "a File of many Blobs": (size) =>
    new File([new Blob([noise(size / 2)]), "between them", new Blob([noise(size / 2)])], "blobs.bin"),
  "a canvas's Blob": async (size) => {
    const canvas = document.createElement("canvas");
    // Noise does not compress, so each pixel is at least three bytes of the PNG file.
    const side = Math.ceil(Math.sqrt(size / 3));
    canvas.width = canvas.height = side;
    const pixels = new ImageData(new Uint8ClampedArray(noise(side * side * 4)), side, side);
    for (let at = 3; at < pixels.data.length; at += 4) pixels.data[at] = 255;
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    return new Promise((resolve) => canvas.toBlob(resolve));
  },
  "a Response's Blob": async (size) => new Response(noise(size)).blob(),
  "a fetched Blob": async (size) => {
    const address = URL.createObjectURL(new Blob([noise(size)]));
    return (await fetch(address)).blob();
  },
  "a file of the page's own file system": async (size) => {
    const folder = await navigator.storage.getDirectory();
    const handle = await folder.getFileHandle("own.bin", { create: true });
    const out = await handle.createWritable();
    await out.write(noise(size));
    await out.close();
    return handle.getFile();
  },
};

globalThis.app = {
  /** Uploads what is in the `<input>`, each under its own name. */
  uploadPicked() {
    for (const file of document.querySelector("#files").files) follow(file.name, uploader.upload(file));
  },
  made: Object.keys(made),
  /** Uploads something made; tells its size and its SHA-256. */
  async uploadMade(kind, size) {
    const content = await made[kind](size);
    follow(kind, uploader.upload(content, { name: `${kind}.bin` }));
    return { size: content.size, sha256: await sha256(content) };
  },
  look: (name) => tasks.get(name)?.seen,
  /** `pause`, `resume` or `abort`. */
  order: (name, order) => void tasks.get(name).task[order](),
  interrupted: () => uploader.interrupted(),
  /** Whether an upload has been written down for later pages. */
  async kept() {
    // Opening what is not there would make it.
    const known = await indexedDB.databases();
    if (!known.some(({ name }) => name === "syncsphere-uploader")) return false;
    const ask = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
    const database = await ask(indexedDB.open("syncsphere-uploader"));
    const count = await ask(database.transaction("uploads").objectStore("uploads").count());
    database.close();
    return count > 0;
  },
  elsewhere: () => uploader.elsewhere,
  async continue(uploadId, name) {
    follow(name, await uploader.continue(uploadId, document.querySelector("#files").files[0]));
  },
  /** What the person has open, and going on with the first of it with the file that was picked. */
  openUploads: async () => (await uploader.openUploads()).map(({ file, uploadId }) => [file.name, uploadId]),
  async continueOpen(name) {
    const [open] = await uploader.openUploads();
    follow(name, await uploader.continue(open, document.querySelector("#files").files[0]));
  },
  /** Uploads a stream of so many bytes; tells what became of it, with their SHA-256. */
  async uploadStream(size) {
    const { interruptedStreams, uploadStream } = await import("/uploader/streams.js");
    const content = new Blob([noise(size)]);
    const { done } = uploadStream(uploader, content.stream(), { name: "stream.bin" });
    const record = await done.catch(({ code }) => ({ code }));
    if (record.code) return record;
    return {
      fileId: record.fileId,
      sha256: await sha256(content),
      left: (await interruptedStreams()).length,
    };
  },
  /** Uploads so many bytes and downloads them; tells what became of them, with the SHA-256 that they had. */
  async download(size, options) {
    const { Workspace } = await import("/uploader/files.js");
    const content = new Blob([noise(size)]);
    const { fileId } = await uploader.upload(new File([content], "download.bin")).done;
    const download = new Workspace({ endpoint: location.origin, token }).download(fileId, options);
    let loaded = 0;
    download.addEventListener("progress", ({ detail }) => (loaded = detail.loaded));
    const file = await download.done.catch(({ code }) => ({ code }));
    if (file.code) return file;
    const got = await sha256(file);
    await download.discard();
    return { name: file.name, loaded, sha256: await sha256(content), got };
  },
  logged: () => logged,
  /** Collects what the workspace's feed tells once `feedIsLive`. */
  async listen() {
    const changes = [];
    globalThis.changes = changes;
    const onLive = (live) => (globalThis.feedIsLive = live);
    for await (const change of uploader.changes({ onLive })) {
      if (change.type === "change") changes.push([change.kind, change.file.name]);
    }
  },
  async serve() {
    await navigator.serviceWorker.register("/check/service-worker.js");
    await navigator.serviceWorker.ready;
    if (!navigator.serviceWorker.controller) {
      await new Promise((resolve) => (navigator.serviceWorker.oncontrollerchange = resolve));
    }
  },
  /** The web component in a form, given files by its picker or by a drop; tells what the form would send. */
  async element(way, names) {
    await import("/uploader/element/define.js");
    const form = document.createElement("form");
    const element = document.createElement("syncsphere-upload");
    element.setAttribute("endpoint", location.origin);
    element.setAttribute("name", "paper");
    element.setAttribute("multiple", "");
    element.token = token;
    form.append(element);
    document.body.append(form);
    const transfer = new DataTransfer();
    for (const name of names) transfer.items.add(new File([`content of ${name}`], name));
    if (way === "picker") {
      const input = element.shadowRoot.querySelector("input");
      input.files = transfer.files;
      input.dispatchEvent(new Event("change"));
    } else {
      const init = { dataTransfer: transfer, bubbles: true, cancelable: true };
      element.dispatchEvent(new DragEvent("drop", init));
    }
    globalThis.form = form;
  },
  formState: () => ({ valid: form.checkValidity(), sends: new FormData(form).getAll("paper") }),
};
document.documentElement.dataset.ready = "";
