import { randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { copyFile, open, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

const MIB = 2 ** 20;

/** Versions of a file, made one at a time. */
export class Edits {
  #path;
  #size;
  #folder;

  constructor(path, size, folder) {
    this.#path = path;
    this.#size = size;
    this.#folder = folder;
  }

  /** `{paths, bytes}` of the file as it is after an edit: `inPlace`, `inserted`, `appended`, or none. */
  async make(edit) {
    if (edit === "none") return { paths: [this.#path], bytes: this.#size };
    const path = join(this.#folder, "next.bin");
    const percent = Math.ceil(this.#size / 100);
    if (edit === "inserted") {
      await writeFile(path, randomBytes(MIB));
      await pipeline(createReadStream(this.#path), createWriteStream(path, { flags: "a" }));
    } else {
      await copyFile(this.#path, path);
      const file = await open(path, "r+");
      const at = edit === "inPlace" ? Math.floor(this.#size / 3) : this.#size;
      await file.write(randomBytes(percent), 0, percent, at);
      await file.close();
    }
    return { paths: [path], bytes: (await stat(path)).size };
  }
}
