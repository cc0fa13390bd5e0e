/** A lane: reads, checksums and sends slices of files on behalf of the conductor. */
import type { BodySource, FromLane, ToLane } from "../messages.js";
import { checkReadable, checksumOf, copyOf, practise, readFailure } from "./reading.js";
import { send } from "./sending.js";

type Order<Type> = Extract<ToLane, { type: Type }>;

/** Puts a lane at the other end of the conductor's port. */
export function startLane(conductor: MessagePort, bodies: BodySource): void {
  const lane = new Lane((message) => conductor.postMessage(message), bodies);
  conductor.onmessage = ({ data: order }: MessageEvent<ToLane>) => {
    switch (order.type) {
      case "hash":
        return lane.hash(order);
      case "send":
        return void lane.send(order);
      case "cancel":
        return lane.cancel(order.attempt);
    }
  };
}

class Lane {
  #say: (message: FromLane) => void;
  #bodies: BodySource;
  /** The attempts that have not been answered, with their requests; nobody waits for any other. */
  #wanted = new Map<bigint, XMLHttpRequest | undefined>();
  /** Slices are hashed one at a time: together they would only all end late. */
  #hashing: Promise<void>;

  constructor(say: (message: FromLane) => void, bodies: BodySource) {
    this.#say = say;
    this.#bodies = bodies;
    this.#hashing = practise(() => this.#wanted.size > 0);
  }

  /** Computes the CRC64NVME of a slice; answered by `hashed` or `attemptFailed`. */
  hash(order: Order<"hash">): void {
    this.#wanted.set(order.attempt, undefined);
    this.#hashing = this.#hashing.then(() => this.#hash(order));
  }

  /** Sends a slice; answered by `sent`, any number of times, then `stored` or `attemptFailed`. */
  async send(order: Order<"send">): Promise<void> {
    const { attempt } = order;
    const xhr = new XMLHttpRequest();
    this.#wanted.set(attempt, xhr);
    const slice = sliceOf(order);
    const isWanted = () => this.#wanted.has(attempt);
    try {
      const body = this.#bodies === "memory" ? await copyOf(slice, isWanted) : slice;
      if (!isWanted()) return;
      const outcome = await send(xhr, body, order, (loaded) => this.#say({ type: "sent", attempt, loaded }));
      // An edited file ends an upload like a broken network does.
      if (outcome.type === "network" && isWanted()) await checkReadable(slice);
      this.#answer(
        outcome.type === "stored"
          ? { ...outcome, attempt }
          : { ...NO_ANSWER, ...outcome, type: "attemptFailed", failure: outcome.type, attempt },
      );
    } catch (error) {
      this.#cannotRead(attempt, error);
    }
  }

  /** Stops an attempt. Nothing more is said of it. */
  cancel(attempt: bigint): void {
    const xhr = this.#wanted.get(attempt);
    this.#wanted.delete(attempt);
    xhr?.abort();
  }

  async #hash(order: Order<"hash">): Promise<void> {
    const { attempt, length } = order;
    const isWanted = () => this.#wanted.has(attempt);
    if (!isWanted()) return;
    try {
      const slice = sliceOf(order);
      if (slice.size < length) throw new DOMException("the file is too short", "NotReadableError");
      this.#answer({ type: "hashed", attempt, crc64nvme: await checksumOf(slice, isWanted) });
    } catch (error) {
      this.#cannotRead(attempt, error);
    }
  }

  #cannotRead(attempt: bigint, error: unknown): void {
    const failure = readFailure(error);
    // Anything else is a fault of this script or its module, and ends the worker.
    if (failure) this.#answer({ ...NO_ANSWER, type: "attemptFailed", attempt, failure });
    else reportError(error);
  }

  #answer(message: FromLane): void {
    if (this.#wanted.delete(message.attempt)) this.#say(message);
  }
}

const NO_ANSWER = { status: 0, body: "", retryAfter: undefined };

function sliceOf({ file, offset, length }: { file: Blob; offset: number; length: number }): Blob {
  return file.slice(offset, offset + length);
}
