import { base64 } from "../base64.js";

/** In base64, as S3 writes it. */
export function checksumText(checksum: bigint): string {
  const view = new DataView(new ArrayBuffer(BigUint64Array.BYTES_PER_ELEMENT));
  view.setBigUint64(0, checksum);
  return base64(new Uint8Array(view.buffer));
}
