/** Has storage copy what a file shares with its base. */
import { UploadError } from "../errors.js";
import type { MultipartUpload, PartToCopy } from "../multipart-upload.js";
import type { PartSender, Sending } from "../part-sender.js";
import { Patience } from "../patience.js";
import { pause } from "../pause.js";
import type { GrowingPlan } from "./growing-plan.js";

/** Most parts in one call. Source: docs/api.md, `POST /v1/uploads/{uploadId}/copies`. */
const MAX_PARTS = 24;

/** Calls at a time. Source: own choice; the coordinator has storage copy six parts at a time for each. */
const LANES = 3;

/** How often parts are asked for that storage has no time to copy, and the wait between, in ms. Source: own choice. */
const MAX_ROUNDS = 4;
const ROUND_DELAY = 1000;

/** What cannot be got around by sending the bytes. */
const FINAL: readonly unknown[] = [
  "aborted",
  "upload_gone",
  "unauthenticated",
  "forbidden",
  "coordinator_unreachable",
];

/** Hears where each part stands. */
export interface CopyObserver {
  /** Storage is asked to copy these. */
  onCopying(partNumbers: number[]): void;
  /** It has answered, or nobody has. */
  onAnswered(partNumbers: number[]): void;
  onCopied(partNumber: number): void;
}

/** What copies work with. */
export interface Copying extends Required<Pick<Sending, "retry" | "signal" | "attempt">> {
  upload: MultipartUpload;
  plan: GrowingPlan;
  /** Storage has so many bytes more. */
  onCopied: (bytes: number) => void;
  observer: CopyObserver;
}

/**
 * Has storage copy what is to be copied, as soon as it is known, and the sender know it. Gives the numbers of the parts that have
 * to be sent: storage does not copy them, or has copied something else; once it has refused all that it was asked for in one
 * call, it is asked for nothing more. Rejects with the `UploadError` for which nothing can be sent either, and as the plan does.
 */
export async function copyParts(copying: Copying, sender: PartSender): Promise<number[]> {
  const { plan, signal } = copying;
  let place = 0;
  /** The next ones, as many as are known; none at the end. */
  const nextGroup = async () => {
    const group: PartToCopy[] = [];
    while (group.length === 0 && (await plan.has(place, signal)))
      for (; place < plan.segments.length && group.length < MAX_PARTS; place++) {
        const { from, length } = plan.segments[place]!;
        if (from !== undefined) group.push({ partNumber: place + 1, offset: from, length });
      }
    return group;
  };
  const refused: number[] = [];
  let copies = true;
  const onRefused = () => void (copies = false);
  const lane = async () => {
    for (let group; (group = await nextGroup()).length > 0;)
      refused.push(...(copies ? await copyGroup(copying, sender, group, onRefused) : numbersOf(group)));
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return refused.sort((a, b) => a - b);
}

/** Gives the numbers of those that have to be sent; `onRefused` hears where that is all of them, and not for want of time. */
async function copyGroup(
  copying: Copying,
  sender: PartSender,
  group: PartToCopy[],
  onRefused: () => void,
): Promise<number[]> {
  const { upload, plan, signal, onCopied, observer } = copying;
  const patience = new Patience(copying.retry, signal);
  const left = new Map(group.map((part) => [part.partNumber, part]));
  let isBusy = false;
  for (let round = 1; round <= MAX_ROUNDS && left.size > 0; round++) {
    if (round > 1) await pause(ROUND_DELAY, signal);
    const asked = [...left.values()];
    const copy = async (signal: AbortSignal) => {
      const numbers = numbersOf(asked);
      observer.onCopying(numbers);
      try {
        return await upload.copy(plan.from, asked, signal);
      } finally {
        observer.onAnswered(numbers);
      }
    };
    let answers;
    try {
      answers = await patience.outlast(() => copying.attempt(copy, signal));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof UploadError) || FINAL.includes(error.code)) throw error;
      break;
    }
    isBusy = false;
    for (const answer of answers) {
      const part = left.get(answer.partNumber);
      if (!part) continue;
      if ("error" in answer) {
        isBusy ||= answer.error.retryable;
      } else if (answer.crc64nvme === plan.segments[part.partNumber - 1]!.crc64nvme) {
        left.delete(part.partNumber);
        observer.onCopied(part.partNumber);
        onCopied(part.length);
        sender.know({ ...answer, size: part.length });
      }
    }
    if (!isBusy) break;
  }
  if (!isBusy && left.size === group.length) onRefused();
  return [...left.keys()];
}

const numbersOf = (parts: PartToCopy[]) => parts.map(({ partNumber }) => partNumber);
