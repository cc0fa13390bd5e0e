// What a download knows of its ranges: their checksums make the whole's, and a note is of one object alone.

import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Crc64NvmeJs } from "@aws-sdk/checksums/crc";
import { build } from "esbuild";

const MIB = 1024 * 1024;

let Crc64Nvme, Crc64NvmePieces, Ranges, parseNote, writtenNote;
before(async () => {
  const contents = ["./crc64nvme.ts", "./crc64nvme-pieces.ts", "./downloads/ranges.ts", "./downloads/note.ts"]
    .map((path) => `export * from ${JSON.stringify(path)};`)
    .join("\n");
  const resolveDir = fileURLToPath(new URL("../../uploader-wasm/npm/src", import.meta.url));
  const { outputFiles } = await build({
    stdin: { contents, resolveDir, loader: "ts" },
    bundle: true,
    format: "esm",
    write: false,
  });
  const script = `data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`;
  ({ Crc64Nvme, Crc64NvmePieces, Ranges, parseNote, writtenNote } = await import(script));
});

async function checksumOf(bytes) {
  const hash = new Crc64NvmeJs();
  hash.update(bytes);
  return Buffer.from(await hash.digest()).toString("base64");
}

test("the checksums of pieces make that of the whole, wherever it is cut", async () => {
  for (let round = 0; round < 200; round++) {
    const content = randomBytes(randomInt(20_000));
    const pieces = new Crc64NvmePieces();
    for (let at = 0; at < content.length;) {
      // Of one length in half of the rounds, as ranges are.
      const length = Math.min(round % 2 ? 777 : randomInt(5_000), content.length - at);
      const piece = content.subarray(at, at + length);
      const checksum = new Crc64Nvme();
      checksum.update(piece);
      assert.equal(checksum.value, await checksumOf(piece));
      pieces.append(checksum.value, length);
      at += length;
    }
    assert.equal(pieces.value, await checksumOf(content), `round ${round}`);
  }
});

/** Source: ceph/s3-tests, test_multipart_use_cksum_helper_crc64nvme: three parts of 5 MiB of 'A', 'B', 'C', and the whole. */
test("the published sum of three large pieces holds", () => {
  const pieces = new Crc64NvmePieces();
  assert.equal(pieces.value, "AAAAAAAAAAA=");
  for (const checksum of ["L/E4WYn8v98=", "xW1l19VobYM=", "cK5MnNaWrW4="]) pieces.append(checksum, 5 * MIB);
  assert.equal(pieces.value, "i+6LR0y3eFo=");
  for (const text of ["", "AAAA", "no base64 at all"]) assert.throws(() => pieces.append(text, 1));
});

test("ranges cover a file once, and are never more than 10,000", () => {
  for (const size of [0, 1, 8 * MIB, 8 * MIB + 1, 80_000 * MIB, 80_000 * MIB + 1, 5 * 1024 ** 4]) {
    const ranges = new Ranges(size);
    const { missing } = ranges;
    assert.ok(missing.length <= 10_000, `${size}: ${missing.length}`);
    let end = 0;
    for (const index of missing) {
      assert.equal(ranges.at(index), end);
      assert.ok(ranges.lengthOf(index) > 0);
      end += ranges.lengthOf(index);
    }
    assert.equal(end, size);
    assert.equal(ranges.finished, 0);
  }
  const known = new Ranges(16 * MIB, [null, "AAAAAAAAAAA="]);
  assert.deepEqual([known.missing, known.finished], [[0], 8 * MIB]);
  assert.equal(new Ranges(17 * MIB, [null, "AAAAAAAAAAA="]).finished, 0, "what is noted of other ranges");
});

test("a note is taken for the object alone that it was written of, and only where it is whole", () => {
  const record = { fileId: "f", size: 9, checksum: { crc64nvme: "AAAAAAAAAAA=" }, etag: '"e"' };
  const note = { storageEtag: '"s"', checksums: ["L/E4WYn8v98=", null] };
  const text = writtenNote(note, record);
  assert.deepEqual(parseNote(text, record), note);
  for (const other of [{ fileId: "g" }, { size: 8 }, { checksum: {} }, { etag: '"x"' }])
    assert.equal(parseNote(text, { ...record, ...other }), undefined, JSON.stringify(other));
  for (const spoil of [
    { checksums: ["AAAA"] },
    { checksums: "none" },
    { checksums: [1] },
    { storageEtag: 1 },
  ])
    assert.equal(
      parseNote(writtenNote({ ...note, ...spoil }, record), record),
      undefined,
      JSON.stringify(spoil),
    );
  for (let length = 0; length < text.length; length++)
    assert.equal(parseNote(text.slice(0, length), record), undefined);
});
