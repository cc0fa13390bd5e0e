/** A lane: reads, checksums and sends slices of files on behalf of the conductor. */
import type { BodySource, FromLane, ToLane } from "../messages.js";
import { FileChanged, readFailure } from "../read-blob.js";
import { checkReadable, checksumOf, copyOf, digestOf, warmUp } from "./read-slice.js";
import { sendSlice } from "./send-slice.js";

type LaneCommand<Type> = Extract<ToLane, { type: Type }>;

/**
 * A file of which nothing comes for so long lets others of the lane be read, and after `MOST_SILENCES` such times counts as one that cannot be read, in ms.
 *
 * Source: own choice; a drive on the network has woken up by then, and what a cloud drive has to fetch first goes on coming
 * while the engine waits to read it again.
 */
const SILENCE = 10_000;
const MOST_SILENCES = 4;

/** Puts a lane at the other end of the conductor's port. */
export function startLane(conductor: MessagePort, bodies: BodySource): void {
  const lane = new Lane((message) => conductor.postMessage(message), bodies);
  conductor.onmessage = ({ data: command }: MessageEvent<ToLane>) => {
    switch (command.type) {
      case "hash":
        return lane.hash(command);
      case "send":
        return void lane.send(command);
      case "cancel":
        return lane.cancel(command.attempt);
    }
  };
}

type Reading<T> = (slice: Blob, isWanted: () => boolean) => Promise<T>;

class Lane {
  #post: (message: FromLane) => void;
  #bodies: BodySource;
  /** The attempts that have not been answered, with what stops them; nobody waits for any other. */
  #pending = new Map<bigint, { abort(): void }>();
  /** Slices are hashed one at a time: together they would only all end late. */
  #hashing: Promise<void>;

  constructor(post: (message: FromLane) => void, bodies: BodySource) {
    this.#post = post;
    this.#bodies = bodies;
    this.#hashing = warmUp(() => this.#pending.size > 0);
  }

  /** Computes the CRC64NVME or the MD5 of a slice; answered by `hashed`, `digested` or `attemptFailed`. */
  hash(command: LaneCommand<"hash">): void {
    // A reading that hangs keeps no other waiting for long, and none once nobody wants it any more.
    const passed = new Promise<void>((abort) => this.#pending.set(command.attempt, { abort }));
    this.#hashing = this.#hashing.then(() => Promise.race([this.#hash(command), passed]));
  }

  /** Sends a slice; answered by `sent`, any number of times, then `stored` or `attemptFailed`. */
  async send(command: LaneCommand<"send">): Promise<void> {
    const { attempt, slice } = command;
    const xhr = new XMLHttpRequest();
    this.#pending.set(attempt, xhr);
    const isWanted = () => this.#pending.has(attempt);
    try {
      const body = this.#bodies === "memory" ? await this.#read(attempt, copyOf, slice) : slice;
      if (!isWanted()) return;
      const outcome = await sendSlice(xhr, body, command, {
        report: (loaded) => this.#post({ type: "sent", attempt, loaded }),
        // What has been copied needs its file no more.
        onSilence: async () => body === slice && (await checkReadable(slice)),
      });
      // An edited file ends an upload like a broken network does.
      if (outcome.type === "network" && isWanted()) await checkReadable(slice);
      this.#answer(
        outcome.type === "stored"
          ? { ...outcome, attempt }
          : { ...NO_ANSWER, ...outcome, type: "attemptFailed", failure: outcome.type, attempt },
      );
    } catch (error) {
      this.#readFailed(attempt, error);
    }
  }

  /** Stops an attempt. Nothing more is said of it. */
  cancel(attempt: bigint): void {
    const pending = this.#pending.get(attempt);
    this.#pending.delete(attempt);
    pending?.abort();
  }

  async #hash(command: LaneCommand<"hash">): Promise<void> {
    const { attempt, slice, length } = command;
    if (!this.#pending.has(attempt)) return;
    try {
      if (slice.size < length) throw new FileChanged();
      if (command.md5)
        this.#answer({ type: "digested", attempt, md5: await this.#read(attempt, digestOf, slice) });
      else this.#answer({ type: "hashed", attempt, crc64nvme: await this.#read(attempt, checksumOf, slice) });
    } catch (error) {
      this.#readFailed(attempt, error);
    }
  }

  /** Reads for an attempt, and rejects where nothing more comes of the file. */
  async #read<T>(attempt: bigint, read: Reading<T>, slice: Blob): Promise<T> {
    let silences = 0;
    let watch;
    const hung = new Promise<never>((_, reject) => {
      watch = setInterval(() => {
        if (silences++ > 0) this.#pending.get(attempt)?.abort();
        if (silences > MOST_SILENCES) reject(new DOMException("", "TimeoutError"));
      }, SILENCE);
    });
    const isWanted = () => {
      silences = 0;
      return this.#pending.has(attempt);
    };
    try {
      return await Promise.race([read(slice, isWanted), hung]);
    } finally {
      clearInterval(watch);
    }
  }

  #readFailed(attempt: bigint, error: unknown): void {
    const failure = readFailure(error);
    // Anything else is a fault of this script or its module, and ends the worker.
    if (failure) {
      const { name } = error as Error;
      this.#answer({ ...NO_ANSWER, type: "attemptFailed", attempt, failure, error: name });
    } else reportError(error);
  }

  #answer(message: FromLane): void {
    if (this.#pending.delete(message.attempt)) this.#post(message);
  }
}

const NO_ANSWER = { status: 0, body: "", retryAfter: undefined };
