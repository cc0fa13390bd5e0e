// The checksum that the worker of streams computes, which storage compares with its own.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Crc64NvmeJs } from "@aws-sdk/checksums/crc";
import { build } from "esbuild";

const SOURCE = fileURLToPath(new URL("../../uploader-wasm/npm/src/crc64nvme.ts", import.meta.url));

let Crc64Nvme;

before(async () => {
  const { outputFiles } = await build({ entryPoints: [SOURCE], bundle: true, format: "esm", write: false });
  const script = Buffer.from(outputFiles[0].contents).toString("base64");
  ({ Crc64Nvme } = await import(`data:text/javascript;base64,${script}`));
});

/** In hex, of pieces one after the other. */
function checksumOf(...pieces) {
  const checksum = new Crc64Nvme();
  for (const piece of pieces) checksum.update(piece);
  return Buffer.from(checksum.value, "base64").toString("hex");
}

test("it is CRC-64/NVME, as the catalogue has it", () => {
  // Source: https://reveng.sourceforge.io/crc-catalogue/all.htm#crc.cat.crc-64-nvme, "check".
  assert.equal(checksumOf(Buffer.from("123456789")), "ae8b14860a799888");
  assert.equal(checksumOf(), "0000000000000000");
});

test("it is the AWS SDK's of any bytes, however they are cut", async () => {
  const bytes = randomBytes(10_007);
  const theirs = new Crc64NvmeJs();
  theirs.update(bytes);
  const expected = Buffer.from(await theirs.digest()).toString("hex");
  for (const cut of [0, 1, 7, 8, 9, 5000, 10_006, 10_007])
    assert.equal(checksumOf(bytes.subarray(0, cut), bytes.subarray(cut)), expected, `cut at ${cut}`);
});

test("its value so far may be asked for, and more may come", () => {
  const checksum = new Crc64Nvme();
  checksum.update(Buffer.from("1234"));
  const early = checksum.value;
  assert.equal(checksum.value, early);
  checksum.update(Buffer.from("56789"));
  assert.equal(Buffer.from(checksum.value, "base64").toString("hex"), "ae8b14860a799888");
});
