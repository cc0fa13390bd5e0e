// The ways that a page has to compute a CRC64NVME, each over the same bytes, in pieces of 1 MiB as our lanes read them.

import { Crc64Nvme as Crc64NvmeOfAws } from "@aws-sdk/crc64-nvme";
import { createCRC64 } from "hash-wasm";
import startEngine, { crc64nvme } from "./engine/syncsphere_uploader.js";

const PIECE = 2 ** 20;

/** Each gives a function from a piece and a number of repetitions to the checksum of all, in hex. */
const WAYS = {
  async ours() {
    return (piece, times) => {
      let checksum = 0n;
      for (let time = 0; time < times; time++) checksum = crc64nvme(checksum, piece);
      return hex(checksum);
    };
  },
  async "aws-js"() {
    return async (piece, times) => {
      const hash = new Crc64NvmeOfAws();
      for (let time = 0; time < times; time++) hash.update(piece);
      const digest = await hash.digest();
      return hex(new DataView(digest.buffer, digest.byteOffset).getBigUint64(0));
    };
  },
  async "hash-wasm"() {
    // The polynomial of CRC64NVME, reflected. Source: NVM Express, NVM Command Set, 64b CRC
    const hash = await createCRC64("9a6c9329ac4bc9b5");
    return (piece, times) => {
      hash.init();
      for (let time = 0; time < times; time++) hash.update(piece);
      return hash.digest("hex");
    };
  },
};

globalThis.checksum = async (way, times) => {
  if (way === "ours") await startEngine();
  const run = await WAYS[way]();
  const piece = new Uint8Array(PIECE);
  for (let at = 0; at < PIECE; at += 65536) crypto.getRandomValues(piece.subarray(at, at + 65536));
  const known = new Uint8Array(PIECE).fill(7);
  await run(piece, 64); // compiled by now
  const start = performance.now();
  await run(piece, times);
  const seconds = (performance.now() - start) / 1000;
  return { seconds, bytes: times * PIECE, check: await run(known, 3) };
};

function hex(value) {
  return value.toString(16).padStart(16, "0");
}
