import { UploadError } from "../errors.js";
import type { Failure } from "../messages.js";
import type { PrivatePath } from "../private-file.js";
import { workerOf } from "../worker-of.js";
import { WorkerOrders } from "../worker-orders.js";
import { SCRIPTS_FAILED } from "./failures.js";
import type { CopyOrder, DownloadOrder, PostedPlace, RangeAnswer, RangeOrder } from "./messages.js";

/** The page's side of the worker that fetches and writes. */
export class Writer {
  #orders: WorkerOrders<DownloadOrder, RangeAnswer | undefined, Failure, number>;

  private constructor(make: () => Worker) {
    this.#orders = new WorkerOrders(make, (why) =>
      "failed" in why ? new UploadError(why.failed) : new UploadError(SCRIPTS_FAILED, { cause: why.ended }),
    );
  }

  /** Starts the worker of the script at this address, which opens the place for a file of so many bytes. */
  static async open(scriptUrl: string | URL | undefined, place: PostedPlace, size: number): Promise<Writer> {
    const writer = new Writer(() =>
      workerOf(
        scriptUrl,
        new URL("./download-worker.js", import.meta.url),
        // Bundlers look for exactly this expression.
        () => new Worker(new URL("./download-worker.js", import.meta.url), { type: "module" }),
      ),
    );
    try {
      await writer.#orders.ask({ type: "open", place, size });
      return writer;
    } catch (error) {
      writer.#orders.end();
      throw error;
    }
  }

  /** Fetches a range and writes it; tells how many bytes of it there are meanwhile. */
  async range(order: RangeOrder, onReceived: (bytes: number) => void): Promise<RangeAnswer> {
    return (await this.#orders.ask({ type: "range", ...order }, onReceived))!;
  }

  /** Writes a range whose content is on this machine; `undefined` where that cannot be read any more. */
  copy(order: CopyOrder): Promise<RangeAnswer | undefined> {
    return this.#orders.ask({ type: "copy", ...order });
  }

  /** Replaces what a private file has. */
  async note(path: PrivatePath, text: string): Promise<void> {
    await this.#orders.ask({ type: "note", path, text });
  }

  /** Ends what is under way, and the worker; a picked file gets its content only where that `isProven`. */
  async close(isProven: boolean): Promise<void> {
    try {
      await this.#orders.ask({ type: "close", isProven });
    } finally {
      this.#orders.end();
    }
  }
}
