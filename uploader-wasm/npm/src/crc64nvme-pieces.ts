/** The CRC64NVME of a whole, from those of its pieces: what is the same of any length takes no second reading. */
import { base64, bytesOfBase64 } from "./base64.js";

/** The polynomial, its bits in reverse: the highest bit is that of x^0. Source: as in `crc64nvme.ts`. */
const POLYNOMIAL = 0x9a6c9329ac4bc9b5n;
const ONE = 1n << 63n;
/** A message longer by one byte. */
const X_TO_8 = 1n << 55n;

const BYTES = 8;

/** Pieces one after the other, as their checksums come. */
export class Crc64NvmePieces {
  #value = 0n;
  /** Most pieces are of one length. */
  #shift = { length: 0, factor: ONE };

  /** The next piece: its checksum in base64, and its length in bytes. Throws where it is no such checksum. */
  append(checksum: string, length: number): void {
    if (this.#shift.length !== length) this.#shift = { length, factor: xTo8Times(length) };
    // crc(A‖B) = crc(A)·x^(8·|B|) + crc(B); the initial value and the final XOR cancel out.
    this.#value = multiply(this.#value, this.#shift.factor) ^ valueOf(checksum);
  }

  /** Of all pieces so far: in base64, big-endian, as S3 writes it. */
  get value(): string {
    const view = new DataView(new ArrayBuffer(BYTES));
    view.setBigUint64(0, this.#value);
    return base64(new Uint8Array(view.buffer));
  }
}

function valueOf(checksum: string): bigint {
  const bytes = bytesOfBase64(checksum);
  if (bytes.length !== BYTES) throw new RangeError("no CRC64NVME");
  return new DataView(bytes.buffer).getBigUint64(0);
}

/** The product of two polynomials over GF(2), reduced by the polynomial. */
function multiply(a: bigint, b: bigint): bigint {
  let product = 0n;
  for (let bit = ONE; bit > 0n; bit >>= 1n) {
    if (a & bit) product ^= b;
    b = b & 1n ? (b >> 1n) ^ POLYNOMIAL : b >> 1n;
  }
  return product;
}

/** x^(8·bytes), by squares. */
function xTo8Times(bytes: number): bigint {
  let factor = ONE;
  let square = X_TO_8;
  for (let left = bytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) factor = multiply(factor, square);
    square = multiply(square, square);
  }
  return factor;
}
