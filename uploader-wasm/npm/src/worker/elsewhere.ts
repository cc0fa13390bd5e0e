import type { Progress, TaskState, UploadElsewhere } from "../types.js";
import type { Interrupted } from "./interrupted.js";

/**
 * Shortest time between two messages to other tabs, and between two reports of theirs, in ms.
 * Source: `UploaderEventMap.elsewhere`.
 */
const BETWEEN_NEWS = 200;

/**
 * How often locks are looked at while other tabs are busy, in ms: a tab that crashes says nothing.
 *
 * Source: own choice; a person may wait as long, and a look is one message to the browser.
 */
const BETWEEN_LOOKS = 1000;

/** Uploads told of by others that are remembered at most. Source: what five tabs have under way. */
const MOST = 1000;

/** How an upload stands. Neither names nor addresses go from tab to tab: each reads names from IndexedDB. */
interface News extends Omit<Progress, "total"> {
  uploadId: string;
  state: TaskState;
}

/** What tabs say to each other; `hello` asks all to tell everything again. */
type Message = { type: "hello" } | { type: "news"; news: News[] };

/**
 * Tells other tabs how this one's uploads stand, and `report`s the other tabs' to this one's page.
 * Locks say who is busy, so that nobody who crashed is shown as such; messages only say how far they are.
 */
export class Elsewhere {
  #interrupted: Interrupted;
  #report: (uploads: UploadElsewhere[]) => void;
  #channel: BroadcastChannel | undefined;

  #own = new Map<number, Omit<News, "uploadId">>();
  #untold = new Set<number>();
  #telling: ReturnType<typeof setTimeout> | undefined;

  #heard = new Map<string, News>();
  /** Names and sizes, which never change. */
  #found = new Map<string, Pick<UploadElsewhere, "uploadId" | "name"> & { size: number; loaded: number }>();
  #looking: ReturnType<typeof setTimeout> | undefined;
  #lookAt = Infinity;
  #reported = "[]";

  constructor(endpoint: string, interrupted: Interrupted, report: (uploads: UploadElsewhere[]) => void) {
    this.#interrupted = interrupted;
    this.#report = report;
    // Browsers that lack it have no locks either, and then no upload counts as another tab's.
    if (!("BroadcastChannel" in globalThis)) return;
    this.#channel = new BroadcastChannel(`syncsphere-uploader:${endpoint}`);
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => this.#hear(data);
    this.#post({ type: "hello" });
    this.#look(BETWEEN_NEWS);
  }

  /** A task of this tab has moved on. */
  tell(task: number, { state, progress }: { state?: TaskState; progress?: Progress }): void {
    const before = this.#own.get(task) ?? { state: "queued", loaded: 0, rate: 0, etaSeconds: null };
    const { loaded, rate, etaSeconds } = progress ?? before;
    this.#own.set(task, { state: state ?? before.state, loaded, rate, etaSeconds });
    this.#tellSoon(task);
  }

  /** A task of this tab has ended. */
  end(task: number): void {
    this.#own.delete(task);
  }

  #tellSoon(task: number): void {
    this.#untold.add(task);
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      const news: News[] = [];
      for (const task of this.#untold) {
        const uploadId = this.#interrupted.uploadOf(task);
        const own = this.#own.get(task);
        if (uploadId && own) news.push({ uploadId, ...own });
      }
      this.#untold.clear();
      if (news.length > 0) this.#post({ type: "news", news });
    }, BETWEEN_NEWS);
  }

  #post(message: Message): void {
    this.#channel?.postMessage(message);
  }

  /** Another tab may run another version, so nothing is taken for granted. */
  #hear(message: unknown): void {
    const { type, news } = (message ?? {}) as { type?: unknown; news?: unknown };
    if (type === "hello") for (const task of this.#own.keys()) this.#tellSoon(task);
    if (type !== "news" || !Array.isArray(news)) return;
    for (const one of news) {
      if (isNews(one) && (this.#heard.size < MOST || this.#heard.has(one.uploadId))) {
        this.#heard.set(one.uploadId, one);
      }
    }
    this.#look(BETWEEN_NEWS);
  }

  /** Looks again after this time, unless that is to happen sooner anyway. */
  #look(after: number): void {
    const at = performance.now() + after;
    if (at >= this.#lookAt) return;
    clearTimeout(this.#looking);
    this.#lookAt = at;
    this.#looking = setTimeout(() => void this.#lookNow(), after);
  }

  async #lookNow(): Promise<void> {
    this.#lookAt = Infinity;
    const busy = new Set(await this.#interrupted.elsewhere());
    for (const uploadId of busy) {
      const upload = this.#found.get(uploadId) ?? (await this.#interrupted.find(uploadId));
      if (upload) this.#found.set(uploadId, upload);
    }
    for (const uploadId of this.#found.keys()) if (!busy.has(uploadId)) this.#found.delete(uploadId);
    this.#tellPage();
    // News of an upload may come just before its lock is taken, so they are forgotten one look later.
    const more = busy.size > 0 || this.#heard.size > 0;
    for (const uploadId of this.#heard.keys()) if (!busy.has(uploadId)) this.#heard.delete(uploadId);
    if (more) this.#look(BETWEEN_LOOKS);
  }

  #tellPage(): void {
    const uploads = Array.from(this.#found.values(), ({ uploadId, name, size, loaded: kept }) => {
      const news = this.#heard.get(uploadId);
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

function isNews(value: unknown): value is News {
  const { uploadId, state, loaded, rate, etaSeconds } = (value ?? {}) as Partial<News>;
  return (
    typeof uploadId === "string" &&
    typeof state === "string" &&
    typeof loaded === "number" &&
    typeof rate === "number" &&
    (etaSeconds === null || typeof etaSeconds === "number")
  );
}
