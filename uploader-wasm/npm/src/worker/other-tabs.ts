import type { Progress, TaskState, UploadElsewhere } from "../types.js";
import type { InterruptedUploads } from "./interrupted-uploads.js";

/**
 * Shortest time between two messages to other tabs, and between two reports of theirs, in ms.
 * Source: `UploaderEventMap.elsewhere`.
 */
const MESSAGE_INTERVAL = 200;

/**
 * How often locks are looked at while other tabs are busy, in ms: a tab that crashes says nothing.
 *
 * Source: own choice; a person may wait as long, and a look is one message to the browser.
 */
const LOCK_POLL_INTERVAL = 1000;

/** Uploads told of by others that are remembered at most. Source: what five tabs have under way. */
const MAX_REMEMBERED = 1000;

/** How an upload stands. Neither names nor addresses go from tab to tab: each reads names from IndexedDB. */
interface UploadStatus extends Omit<Progress, "total"> {
  uploadId: string;
  state: TaskState;
}

/** What tabs say to each other; `hello` asks all to send everything again. */
type TabMessage = { type: "hello" } | { type: "news"; news: UploadStatus[] };

/**
 * Tells other tabs how this one's uploads stand, and `report`s the other tabs' to this one's page.
 * Locks say who is busy, so that nobody who crashed is shown as such; messages only say how far they are.
 */
export class OtherTabs {
  #interrupted: InterruptedUploads;
  #report: (uploads: UploadElsewhere[]) => void;
  #channel: BroadcastChannel | undefined;

  #own = new Map<number, Omit<UploadStatus, "uploadId">>();
  #unsent = new Set<number>();
  #sendTimer: ReturnType<typeof setTimeout> | undefined;

  #received = new Map<string, UploadStatus>();
  /** Names and sizes, which never change. */
  #found = new Map<string, Pick<UploadElsewhere, "uploadId" | "name"> & { size: number; loaded: number }>();
  #pollTimer: ReturnType<typeof setTimeout> | undefined;
  #pollAt = Infinity;
  #reported = "[]";

  constructor(
    endpoint: string,
    interrupted: InterruptedUploads,
    report: (uploads: UploadElsewhere[]) => void,
  ) {
    this.#interrupted = interrupted;
    this.#report = report;
    try {
      this.#channel = new BroadcastChannel(`syncsphere-uploader:${endpoint}`);
    } catch {
      // It is missing, or refused where site data are blocked: then locks are too, and no upload counts as another tab's.
      return;
    }
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => this.#receive(data);
    this.#post({ type: "hello" });
    this.#pollAfter(MESSAGE_INTERVAL);
  }

  /** A task of this tab has moved on. */
  update(task: number, { state, progress }: { state?: TaskState; progress?: Progress }): void {
    const before = this.#own.get(task) ?? { state: "queued", loaded: 0, rate: 0, etaSeconds: null };
    const { loaded, rate, etaSeconds } = progress ?? before;
    this.#own.set(task, { state: state ?? before.state, loaded, rate, etaSeconds });
    this.#broadcastSoon(task);
  }

  /** A task of this tab has ended. */
  end(task: number): void {
    this.#own.delete(task);
  }

  #broadcastSoon(task: number): void {
    this.#unsent.add(task);
    this.#sendTimer ??= setTimeout(() => {
      this.#sendTimer = undefined;
      const news: UploadStatus[] = [];
      for (const task of this.#unsent) {
        const uploadId = this.#interrupted.uploadOf(task);
        const own = this.#own.get(task);
        if (uploadId && own) news.push({ uploadId, ...own });
      }
      this.#unsent.clear();
      if (news.length > 0) this.#post({ type: "news", news });
    }, MESSAGE_INTERVAL);
  }

  #post(message: TabMessage): void {
    this.#channel?.postMessage(message);
  }

  /** Another tab may run another version, so nothing is taken for granted. */
  #receive(message: unknown): void {
    const { type, news } = (message ?? {}) as { type?: unknown; news?: unknown };
    if (type === "hello") for (const task of this.#own.keys()) this.#broadcastSoon(task);
    if (type !== "news" || !Array.isArray(news)) return;
    for (const one of news) {
      if (isUploadStatus(one) && (this.#received.size < MAX_REMEMBERED || this.#received.has(one.uploadId))) {
        this.#received.set(one.uploadId, one);
      }
    }
    this.#pollAfter(MESSAGE_INTERVAL);
  }

  /** Looks again after this time, unless that is to happen sooner anyway. */
  #pollAfter(after: number): void {
    const at = performance.now() + after;
    if (at >= this.#pollAt) return;
    clearTimeout(this.#pollTimer);
    this.#pollAt = at;
    this.#pollTimer = setTimeout(() => void this.#poll(), after);
  }

  async #poll(): Promise<void> {
    this.#pollAt = Infinity;
    const busy = new Set(await this.#interrupted.heldByOthers());
    for (const uploadId of busy) {
      const upload = this.#found.get(uploadId) ?? (await this.#interrupted.find(uploadId));
      if (upload) this.#found.set(uploadId, upload);
    }
    for (const uploadId of this.#found.keys()) if (!busy.has(uploadId)) this.#found.delete(uploadId);
    this.#reportToPage();
    // The status of an upload may come just before its lock is taken, so it is forgotten one look later.
    const more = busy.size > 0 || this.#received.size > 0;
    for (const uploadId of this.#received.keys()) if (!busy.has(uploadId)) this.#received.delete(uploadId);
    if (more) this.#pollAfter(LOCK_POLL_INTERVAL);
  }

  #reportToPage(): void {
    const uploads = Array.from(this.#found.values(), ({ uploadId, name, size, loaded: kept }) => {
      const news = this.#received.get(uploadId);
      const { state = "paused", loaded = kept, rate = 0, etaSeconds = null } = news ?? {};
      const progress = { loaded: Math.min(loaded, size), total: size, rate, etaSeconds };
      return { uploadId, name, state, progress };
    });
    const text = JSON.stringify(uploads);
    if (text === this.#reported) return;
    this.#reported = text;
    this.#report(uploads);
  }
}

function isUploadStatus(value: unknown): value is UploadStatus {
  const { uploadId, state, loaded, rate, etaSeconds } = (value ?? {}) as Partial<UploadStatus>;
  return (
    typeof uploadId === "string" &&
    typeof state === "string" &&
    typeof loaded === "number" &&
    typeof rate === "number" &&
    (etaSeconds === null || typeof etaSeconds === "number")
  );
}
