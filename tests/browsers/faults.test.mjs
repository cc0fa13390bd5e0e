// Networks, storages and files that fail, in every engine: nothing is lost, and nothing torn is finalized.

import assert from "node:assert/strict";
import { appendFile, copyFile, open, rename, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { beforeEach } from "node:test";
import {
  arrives,
  ends,
  heldFile,
  inEachEngine,
  loads,
  reaches,
  sees,
  stored,
  until,
  upload,
  useSite,
} from "./harness.mjs";

const MIB = 1024 * 1024;
const PART = 5 * MIB;

/** Bytes a second at which parts of a file are still on their way when the first is seen to be. */
const SLOW = 4 * MIB;

const stack = useSite();

beforeEach(() => stack.proxy.behave());

const isPart = ({ method, partNumber }) => method === "PUT" && partNumber !== null;

/** What storage does to the requests for parts, by number of the part and of the attempt. */
const FAULTS = {
  "1/1": { kind: "answer", status: 503, code: "SlowDown", afterBytes: MIB },
  "1/2": { kind: "reset", afterBytes: 2 * MIB },
  "2/1": { kind: "lose-answer" },
  "3/1": { kind: "answer", status: 503, cors: false },
  "3/2": { kind: "reset" },
};

/** In ms. */
const HOUR = 3_600_000;

/** What becomes of a file while it is sent, and the code that tells of it. */
const MISHAPS = {
  "is deleted": { change: (path) => rm(path), code: "file_unreadable" },
  "becomes shorter": { change: (path) => truncate(path, 2 * PART + 5), code: "file_changed" },
};

/** What somebody does to a file, and the file that it is then; one of the two, or nothing, may be finalized. */
const EDITS = {
  "is written over": async (path) => {
    const other = await stack.file("other.bin", 8 * PART);
    await copyFile(other.path, path);
    return other;
  },
  "is replaced by another": async (path) => {
    const other = await stack.file("other.bin", 8 * PART);
    await rename(other.path, path);
    return other;
  },
  grows: (path) => appendFile(path, "one line more"),
  "is emptied and written again": async (path) => {
    const other = await stack.file("other.bin", 8 * PART);
    await writeFile(path, "");
    await copyFile(other.path, path);
    return other;
  },
};

inEachEngine(stack, (engine, test) => {
  test("parts that are answered 503, reset, or whose answer is lost, are sent again", {}, async (t) => {
    const page = await engine.openPage(t);
    stack.proxy.interfere((seen) => isPart(seen) && FAULTS[`${seen.partNumber}/${seen.attempt}`]);
    const file = await stack.file("in spite of all.bin", 4 * PART + 5);
    await upload(page, file);
    await arrives(stack, page, file.name, file);
  });

  test("a storage that is down is waited for", {}, async (t) => {
    const page = await engine.openPage(t);
    const file = await stack.file("patient.bin", 8 * PART);
    stack.proxy.shape({ total: SLOW, most: 4 * PART });
    await upload(page, file);
    await loads(page, file.name, PART);
    await stack.proxy.halt();
    await reaches(page, file.name, "offline");
    stack.proxy.shape();
    await stack.proxy.resume();
    await arrives(stack, page, file.name, file);
  });

  for (const [mishap, { change, code }] of Object.entries(MISHAPS)) {
    for (const how of [{ integrity: "crc64nvme" }, { integrity: "none" }, { bodies: "memory" }]) {
      test(`a file that ${mishap} ends its upload (${Object.values(how)})`, {}, async (t) => {
        // A file that cannot be read is tried again, for it may be away for a moment only.
        const retry = { maxAttempts: 3, baseDelay: 50, maxDelay: 100 };
        const page = await engine.openPage(t, { options: { ...how, retry } });
        // Of all its parts far more are yet to be read than requests take at a time.
        const file = await heldFile(stack, "under way.bin", 16 * PART, 1);
        // WebKitGTK notices no change within the second of the one before, and goes on to give bytes that are not there.
        await utimes(file.path, new Date(), new Date(Date.now() - HOUR));
        await upload(page, file);
        await sees(page, file.name, "has stored a part", ({ stored }) => stored > 0);
        await change(file.path);
        file.letGo();
        assert.equal((await reaches(page, file.name, "failed")).code, code);
      });
    }
  }

  for (const [edit, change, bodies] of [
    ...Object.entries(EDITS),
    ["is written over, with bodies from memory,", EDITS["is written over"], "memory"],
  ]) {
    test(`a file that ${edit} is never finalized torn`, {}, async (t) => {
      const page = await engine.openPage(t, { options: { bodies } });
      const file = await stack.file("edited.bin", 8 * PART);
      stack.proxy.shape({ total: SLOW, most: 4 * PART });
      await upload(page, file);
      await loads(page, file.name, PART);
      const other = await change(file.path);
      stack.proxy.shape();
      await onlyWhole(t, page, file, other);
    });
  }

  test(
    "a file whose first part is rewritten while its last is sent is never finalized torn",
    {},
    async (t) => {
      const page = await engine.openPage(t);
      const file = await stack.file("edited late.bin", 4 * PART);
      let release;
      const edited = new Promise((resolve) => (release = resolve));
      stack.proxy.interfere(
        (seen) => isPart(seen) && seen.partNumber === 4 && { kind: "hold", until: edited },
      );
      await upload(page, file);
      const isSent = ({ partNumber, status }) => partNumber === 1 && status === 200;
      await until(() => stack.proxy.requests.some(isSent), "the first part is stored");
      await until(() => stack.proxy.open > 0, "the last part is being sent");
      const handle = await open(file.path, "r+");
      await handle.write(Buffer.from("not what was there"), 0, 18, 100);
      await handle.close();
      release();
      await onlyWhole(t, page, file);
    },
  );

  /** What was finalized is one file, as it was at some moment; otherwise the upload says that it changed. */
  async function onlyWhole(t, page, ...files) {
    const [file] = files;
    const seen = await ends(page, file.name);
    t.diagnostic(`${seen.state} ${seen.code ?? ""}`);
    if (seen.state !== "available") return assert.equal(seen.code, "file_changed");
    const { sha256 } = await stored(stack, page, seen.fileId);
    const whole = files.filter((one) => one?.sha256 === sha256);
    assert.equal(whole.length, 1, "what was finalized is neither the one file nor the other");
  }
});
