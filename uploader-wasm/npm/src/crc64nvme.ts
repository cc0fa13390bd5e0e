/**
 * CRC-64/NVME, eight bytes at a step, in halves of 32 bits: bytes that come one by one cost less so than in the engine's
 * WebAssembly, which the worker that keeps streams would have to load first.
 *
 * Source: <https://reveng.sourceforge.io/crc-catalogue/all.htm#crc.cat.crc-64-nvme>; the way of several tables is that of
 * Kounavis and Berry, "Novel Table Lookup-Based Algorithms for High-Performance CRC Generation".
 */
import { base64 } from "./base64.js";

/** The polynomial, its bits in reverse. Source: as above. */
const POLYNOMIAL_LOW = 0xac4bc9b5 | 0;
const POLYNOMIAL_HIGH = 0x9a6c9329 | 0;

/** Bytes at a step: as many tables. */
const STEP = 8;
const BYTES = 256;

const low = new Int32Array(STEP * BYTES);
const high = new Int32Array(STEP * BYTES);
fillTables();

/** The checksum of bytes as they come. */
export class Crc64Nvme {
  #low = -1;
  #high = -1;

  update(bytes: Uint8Array): void {
    let [a, b] = [this.#low, this.#high];
    let at = 0;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (const last = bytes.length - STEP; at <= last; at += STEP) {
      const x = a ^ view.getInt32(at, true);
      const y = b ^ view.getInt32(at + 4, true);
      const i0 = 7 * BYTES + (x & 255);
      const i1 = 6 * BYTES + ((x >>> 8) & 255);
      const i2 = 5 * BYTES + ((x >>> 16) & 255);
      const i3 = 4 * BYTES + (x >>> 24);
      const i4 = 3 * BYTES + (y & 255);
      const i5 = 2 * BYTES + ((y >>> 8) & 255);
      const i6 = BYTES + ((y >>> 16) & 255);
      const i7 = y >>> 24;
      a = low[i0]! ^ low[i1]! ^ low[i2]! ^ low[i3]! ^ low[i4]! ^ low[i5]! ^ low[i6]! ^ low[i7]!;
      b = high[i0]! ^ high[i1]! ^ high[i2]! ^ high[i3]! ^ high[i4]! ^ high[i5]! ^ high[i6]! ^ high[i7]!;
    }
    for (; at < bytes.length; at++) [a, b] = shifted(a, b, bytes[at]!);
    this.#low = a;
    this.#high = b;
  }

  /** Of what has come so far: in base64, big-endian, as S3 writes it. */
  get value(): string {
    const bytes = new DataView(new ArrayBuffer(STEP));
    bytes.setInt32(0, ~this.#high);
    bytes.setInt32(4, ~this.#low);
    return base64(new Uint8Array(bytes.buffer));
  }
}

/** Takes one byte into the state. */
function shifted(a: number, b: number, byte: number): [number, number] {
  const index = (a ^ byte) & 255;
  return [((a >>> 8) | (b << 24)) ^ low[index]!, (b >>> 8) ^ high[index]!];
}

function fillTables(): void {
  for (let byte = 0; byte < BYTES; byte++) {
    let [a, b] = [byte, 0];
    for (let bit = 0; bit < 8; bit++) {
      const isOdd = a & 1;
      a = (a >>> 1) | (b << 31);
      b >>>= 1;
      if (isOdd) [a, b] = [a ^ POLYNOMIAL_LOW, b ^ POLYNOMIAL_HIGH];
    }
    low[byte] = a;
    high[byte] = b;
  }
  for (let index = BYTES; index < low.length; index++)
    [low[index], high[index]] = shifted(low[index - BYTES]!, high[index - BYTES]!, 0);
}
