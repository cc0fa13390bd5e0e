/**
 * What this browser does with files that change after a page got them, found out by trying.
 *
 * Chromium refuses to read on in such a file, under one name, and in one that is gone under another. Firefox reads on
 * without a word. WebKit refuses both under the same name, but its files tell their modification time anew.
 */
export class EditEvidence {
  /** The name of the error by which this browser refuses an edited file, and no other. */
  #edited: string | undefined;

  /**
   * Edits and removes files of the site's own file system. `onRefused` is called where the browser refuses to read what
   * was edited in its place; where it does not, or where there is no such file system, nothing is known.
   */
  constructor(onRefused: () => void) {
    void this.#find(onRefused).catch(() => {}); // Site data are blocked, or there is an older browser.
  }

  async #find(onRefused: () => void): Promise<void> {
    const inPlace = await tryOut(writeInPlace);
    if (inPlace.edited) onRefused();
    // A private window of Chromium gives a file that is written in its place no new time, and one that is replaced one. In
    // Firefox a file that is replaced cannot be read though one that is edited can: that says what an error means at most.
    const { edited, removed } = inPlace.edited ? inPlace : await tryOut(replace);
    if (edited !== removed) this.#edited = edited;
  }

  /** Whether a file that can no longer be read, with an error of this name, was edited. */
  async isEdited(file: Blob, recorded: number | undefined, error: string | undefined): Promise<boolean> {
    if (error !== undefined && error === this.#edited) return true;
    if (recorded === undefined || !("lastModified" in file)) return false;
    const time = file.lastModified;
    if (time === recorded) return false;
    // For a file that is gone WebKit tells the present.
    await pause();
    return file.lastModified === time;
  }
}

/** Times that a file is written until its modification time is another one. Source: own choice; one is enough mostly. */
const MAX_WRITES = 20;

/** In ms; longer than the finest modification times, and than a look at the clock. Source: own choice. */
const PAUSE = 10;

type Write = (handle: FileSystemFileHandle) => Promise<void>;

/** The names of the errors by which a file that was edited, and one that was removed, cannot be read. */
async function tryOut(write: Write): Promise<{ edited: string | undefined; removed: string | undefined }> {
  const folder = await navigator.storage.getDirectory();
  const name = `syncsphere-uploader-${crypto.randomUUID()}`;
  const handle = await folder.getFileHandle(name, { create: true });
  try {
    await write(handle);
    const before = await handle.getFile();
    let after = before;
    for (let i = 0; i < MAX_WRITES && after.lastModified === before.lastModified; i++) {
      await pause();
      await write(handle);
      after = await handle.getFile();
    }
    const edited = await refusal(before);
    await folder.removeEntry(name);
    return { edited, removed: await refusal(after) };
  } finally {
    await folder.removeEntry(name).catch(() => {});
  }
}

async function writeInPlace(handle: FileSystemFileHandle): Promise<void> {
  const access = await handle.createSyncAccessHandle();
  access.write(new Uint8Array(1), { at: 0 });
  access.close();
}

async function replace(handle: FileSystemFileHandle): Promise<void> {
  const out = await handle.createWritable();
  await out.write(new Uint8Array(1));
  await out.close();
}

/** The name of the error that reading gives; `undefined` where it gives none. */
async function refusal(file: File): Promise<string | undefined> {
  return file.arrayBuffer().then(
    () => undefined,
    (error: Error) => error.name,
  );
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE));
}
