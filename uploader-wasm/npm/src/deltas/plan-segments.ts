/** What the module says of two indexes, in the page's terms. */
import { segments } from "syncsphere_delta";

import { UploadError } from "../errors.js";
import { FAILURES } from "./failures.js";
import { checksumText } from "./checksum-text.js";
import type { Segment } from "./messages.js";

/** Numbers that the module gives for each segment. */
const FIELDS = 4;

/** In place of an offset, for what has to travel. */
const NOWHERE = 2n ** 64n - 1n;

/** The parts of the file of the index `next`. Throws `protocol_violation` where one of both is no index. */
export function planSegments(base: Uint8Array, next: Uint8Array): Segment[] {
  const numbers = segments(base, next);
  if (!numbers) throw new UploadError(FAILURES.badIndex);
  return segmentsOf(numbers);
}

/** The segments that the module gives as numbers. */
export function segmentsOf(numbers: BigUint64Array): Segment[] {
  return Array.from({ length: numbers.length / FIELDS }, (_, place) => {
    const [offset, length, checksum, from] = numbers.subarray(place * FIELDS) as unknown as bigint[];
    const segment = {
      offset: Number(offset),
      length: Number(length),
      crc64nvme: checksumText(checksum!),
    };
    return from === NOWHERE ? segment : { ...segment, from: Number(from) };
  });
}
