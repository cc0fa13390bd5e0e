// The next version of a large file, and a file that is there already, over a line like many have.

import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { openArena } from "./support/arena.mjs";
import { atMost, benchCase, megabytesPerSecond } from "./support/case.mjs";
import { contest } from "./support/contest.mjs";
import { copyByStorage } from "./support/copying.mjs";
import { Edits } from "./support/edits.mjs";
import { LINE } from "./support/lines.mjs";

const MIB = 2 ** 20;

const CASES = [
  {
    name: "plain",
    label: "1 % changed in place, sent as a whole",
    edit: "inPlace",
    plain: true,
    differs: (size) => size,
  },
  { name: "inPlace", label: "1 % changed in place", edit: "inPlace", differs: (size) => size / 100 },
  { name: "inserted", label: "1 MiB inserted at the front", edit: "inserted", differs: () => MIB },
  { name: "appended", label: "1 % appended", edit: "appended", differs: (size) => size / 100 },
  { name: "known", label: "the same file again", edit: "none", differs: () => 0 },
  { name: "copying", label: "no client: storage copies the file", differs: () => 0 },
];

await benchCase({
  heading: "Only what changed",
  async measure({ quick, rounds }) {
    const size = (quick ? 48 : 1024) * MIB;
    const arena = await openArena({ ...LINE });
    const base = await arena.files(1, size);
    const edits = new Edits(base.paths[0], size, arena.folder);
    const standings = await contest(CASES, { rounds, quick }, (one) =>
      one.edit ? replace(arena, base, edits, one) : copy(arena, base),
    );
    await arena.close();

    const sent = (name) => standings.median(name, (result) => result.sent);
    const share = (name) => sent(name) / size;
    const time = (name) => 1 / standings.ratio("plain", name);
    const percent = (part) => `${(100 * part).toFixed(1)} %`;
    return {
      note:
        `A file of ${size / MIB} MiB that the same person has uploaded before, then its next version; 50 ms round trip to storage and coordinator, ` +
        "5 MB/s a connection, 40 MB/s in all. Sent is what passed the line to storage, with headers. What differs is what an ideal tool would send. " +
        "The last row is storage alone, beside nobody, asked for all ranges of the file at once: what an edit costs at the least on this machine.",
      columns: [
        "new version",
        "seconds (range)",
        "MB/s of the file",
        "sent, MiB",
        "what differs, MiB",
        "time, of plain",
      ],
      rows: CASES.map(({ name, label, differs }) => [
        label,
        standings.spread(name),
        megabytesPerSecond(size, standings.median(name)),
        name === "copying" ? "–" : (sent(name) / MIB).toFixed(1),
        (differs(size) / MIB).toFixed(1),
        name === "plain" ? "–" : percent(time(name)),
      ]),
      goals: [
        atMost(
          "1 % changed in place: at most 3 % of the bytes",
          share("inPlace"),
          0.03,
          percent(share("inPlace")),
          "the chunks around an edit are some 25 MiB, whatever the size of the file: asked for was 10 GB",
        ),
        atMost(
          "1 % changed in place: at most 15 % of the time",
          time("inPlace"),
          0.15,
          percent(time("inPlace")),
          `SeaweedFS alone takes ${percent(time("copying"))} to copy the file, with both cores busy`,
        ),
        atMost(
          "a known file: done in a second",
          standings.median("known"),
          1,
          `${standings.median("known").toFixed(2)} s`,
          "the browser reads and hashes the file first, on two cores",
        ),
        atMost(
          "1 MiB inserted at the front: at most 64 MiB",
          sent("inserted") / MIB,
          64,
          `${(sent("inserted") / MIB).toFixed(1)} MiB`,
        ),
        atMost("a known file: no bytes", sent("known"), 0, `${sent("known")} bytes`),
      ],
      othersLoad: standings.othersLoad(),
      raw: standings.raw(),
    };
  },
});

/** Uploads the base as it would have been weeks ago, then its next version, which is measured. */
async function replace(arena, base, edits, { edit, plain }) {
  const guestSecret = randomBytes(24).toString("base64url");
  const next = await edits.make(edit);
  const bytes = edit === "none" ? base.bytes : base.bytes + next.bytes;
  const contestant = { page: "versions", settings: { guestSecret, deltas: !plain } };
  try {
    return await arena.run(
      contestant,
      { paths: next.paths, bytes },
      {
        before: async () => {
          await arena.storageLink.shape();
          await arena.upload(
            { page: "versions", settings: { guestSecret, deltas: true, untilIndexed: true } },
            base,
          );
          await arena.storageLink.shape(LINE.storage);
        },
      },
    );
  } finally {
    if (edit !== "none") await rm(next.paths[0]);
  }
}

/** Storage's own part of an edit: it copies the base, which a page has uploaded. */
async function copy(arena, base) {
  await arena.store(async () => {
    await arena.storageLink.shape();
    const guestSecret = randomBytes(24).toString("base64url");
    await arena.upload({ page: "versions", settings: { guestSecret, deltas: false } }, base);
  }, base);
  return copyByStorage(arena.s3, base.bytes);
}
