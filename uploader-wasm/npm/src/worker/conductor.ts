import { Conductor, type LaneLink } from "syncsphere_uploader";

import type { ConductorOptions, FromConductor, FromLane, ToConductor, ToLane } from "../messages.js";
import type { TaskState, UploadErrorCode, UploadErrorReason } from "../types.js";
import { CoordinatorCalls } from "./coordinator-calls.js";
import { EditEvidence } from "./edit-evidence.js";
import { PageFetch } from "./page-fetch.js";
import { StorageDiagnosis } from "./storage-diagnosis.js";
import { OtherTabs } from "./other-tabs.js";
import { ChangeFeeds } from "./change-feeds.js";
import { InterruptedUploads } from "./interrupted-uploads.js";
import { TokenCache } from "./token-cache.js";
import { ChangePoller } from "./change-poller.js";

/** The conductor's end of what page and conductor say to each other. */
export interface PageEnd {
  postMessage(message: FromConductor): void;
  onmessage: ((event: MessageEvent<ToConductor>) => void) | null;
}

/** Puts a conductor between the page and the lanes. */
export function startConductor(lanes: MessagePort[], options: ConductorOptions, page: PageEnd = self): void {
  const post = (message: FromConductor) => page.postMessage(message);
  const tokens = new TokenCache((id) => post({ type: "token", id }));
  const feeds = new ChangeFeeds(options.endpoint, tokens, post);
  const interrupted = new InterruptedUploads(options, post);
  const otherTabs = new OtherTabs(options.endpoint, interrupted, (uploads) =>
    post({ type: "elsewhere", uploads }),
  );

  const poller = new ChangePoller((subject) =>
    subject === 0 ? conductor.showActivity() : conductor.showParts(subject),
  );
  const endTask = (task: number) => {
    otherTabs.end(task);
    poller.stop(task);
  };

  /** The files that lanes are reading, by attempt. */
  const reading = new Map<bigint, Blob>();
  /** When each was modified, as the page said. */
  const modified = new WeakMap<Blob, number>();
  const evidence = new EditEvidence(() => conductor.readAgain(false));

  const pageFetch = new PageFetch(post);
  const { headers, credentials, ownFetch } = options;
  const transport = { headers, credentials, fetch: ownFetch ? pageFetch.fetch : undefined };
  const coordinator = new CoordinatorCalls(options.endpoint, tokens, transport);
  const diagnosis = new StorageDiagnosis(options, transport, post);
  let alarm: ReturnType<typeof setTimeout> | undefined;
  const conductor = new Conductor(
    {
      ask: (call, method, path, body, idempotencyKey, isSlow) =>
        void coordinator.request({ method, path, body, idempotencyKey, isSlow }).then((answer) => {
          if (typeof answer === "string") conductor.unanswered(call, answer);
          else {
            void diagnosis.coordinatorFailed(answer.status, answer.body);
            conductor.replied(call, answer.status, answer.body);
          }
        }),
      wake: (after) => {
        clearTimeout(alarm);
        if (after !== undefined) alarm = setTimeout(() => conductor.awake(), after);
      },
      examine: (method, url, length) =>
        void diagnosis
          .examine(method, url, length)
          .then((found) => conductor.examined(found?.reason, found?.passes ?? 0)),
      save: (task, uploadId, checkpoint) => interrupted.save(task, uploadId, checkpoint),
      forget: (task) => interrupted.forget(task),
      state: (task, word) => {
        const state = word as TaskState;
        if (state === "aborted") endTask(task);
        else otherTabs.update(task, { state });
        post({ type: "state", task, state });
      },
      progress: (task, loaded, total, rate, etaSeconds) => {
        const progress = { loaded, total, rate, etaSeconds: etaSeconds ?? null };
        otherTabs.update(task, { progress });
        post({ type: "progress", task, progress });
      },
      activity: (window, inFlight, waiting, retries, hedges) => {
        const hasChanged = poller.hasChanged(0, [window, inFlight, waiting, retries, hedges]);
        // The speed, which the page adds, is new as long as anything moves.
        if (hasChanged || inFlight > 0)
          post({ type: "activity", activity: { window, inFlight, waiting, retries, hedges } });
      },
      parts: (task, partSize, view) => {
        const states = view.slice();
        if (poller.hasChanged(task, states)) post({ type: "parts", task, parts: { partSize, states } });
      },
      available: (task, record) => {
        endTask(task);
        interrupted.end(task);
        post({ type: "available", task, record });
      },
      failed: (task, code, reason, retryable, resumable, message, requestId, status) => {
        const failure = {
          code: code as UploadErrorCode,
          reason: reason as UploadErrorReason | undefined,
          retryable,
          resumable,
          uploadId: resumable ? interrupted.uploadOf(task) : undefined,
          message,
          requestId: requestId || undefined,
          status,
        };
        endTask(task);
        interrupted.end(task);
        post({ type: "failed", task, failure });
      },
    },
    lanes.map((lane) => laneLink(lane, reading)),
    JSON.stringify(options),
    crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n,
  );

  for (const lane of lanes) {
    lane.onmessage = ({ data }: MessageEvent<FromLane>) => {
      if (data.type === "sent") return forwardLaneMessage(conductor, data);
      if (data.type === "stored" && data.hidesEtag) diagnosis.etagHidden();
      const file = reading.get(data.attempt);
      reading.delete(data.attempt);
      if (data.type !== "attemptFailed" || data.failure !== "file_unreadable" || !file)
        return forwardLaneMessage(conductor, data);
      void evidence.isEdited(file, modified.get(file), data.error).then((isEdited) => {
        forwardLaneMessage(conductor, isEdited ? { ...data, failure: "file_changed" } : data);
      });
    };
  }
  const setOnline = (online: boolean) => {
    feeds.setOnline(online);
    conductor.network(online);
  };
  addEventListener("online", () => setOnline(true));
  addEventListener("offline", () => setOnline(false));
  if (!navigator.onLine) setOnline(false);

  const add = ({ task, file, handle, description }: Extract<ToConductor, { type: "add" }>) => {
    interrupted.track(task, description, handle);
    if (description.lastModified !== undefined) modified.set(file, description.lastModified);
    try {
      conductor.add(task, file, JSON.stringify(description));
    } catch {
      interrupted.end(task);
      const failure = {
        code: "invalid_request",
        message: "path, metadata or base cannot be used",
        retryable: false,
      } as const;
      post({ type: "failed", task, failure });
    }
  };

  /** Orders for tasks whose kept upload is still being read: they would overtake it. */
  const restoring = new Map<number, (() => void)[]>();
  const restore = async (message: Extract<ToConductor, { type: "restore" }>) => {
    restoring.set(message.task, []);
    const { file, description } = message;
    if (description.lastModified !== undefined) modified.set(file, description.lastModified);
    try {
      await interrupted.restore(conductor, message);
    } finally {
      const orders = restoring.get(message.task) ?? [];
      restoring.delete(message.task);
      for (const order of orders) order();
    }
  };

  const order = (task: number, give: () => void) => {
    const waiting = restoring.get(task);
    return waiting ? void waiting.push(give) : give();
  };

  page.onmessage = ({ data: message }) => {
    switch (message.type) {
      case "add":
        return add(message);
      case "restore":
        return void restore(message);
      case "pause":
      case "resume":
      case "abort": {
        const { type, task } = message;
        return order(task, () => conductor[type](task));
      }
      case "watch":
        return poller.start(message.task);
      case "unwatch":
        return poller.stop(message.task);
      case "prioritize":
        return order(message.task, () => conductor.prioritize(message.task, message.priority));
      case "maxRate":
        return conductor.maxRate(message.rate);
      case "network":
        return setOnline(message.online);
      case "token":
        return tokens.answer(message.id, message.answer);
      case "fetched":
        return pageFetch.settle(message.id, message.reply);
      case "subscribe":
        return feeds.open(message.feed, message.since);
      case "unsubscribe":
        return feeds.close(message.feed);
      case "close":
        return void interrupted.flush().then(() => post({ type: "closed" }));
      case "interrupted":
        return void interrupted.list().then((value) => post({ type: "answer", id: message.id, value }));
      case "discard":
        return void interrupted
          .discard(conductor, message.uploadId)
          .then((value) => post({ type: "answer", id: message.id, value }));
      case "reopen":
        return void interrupted
          .reopen(message.uploadId)
          .then((value) => post({ type: "answer", id: message.id, value }));
    }
  };
}

function laneLink(lane: MessagePort, reading: Map<bigint, Blob>): LaneLink {
  const post = (message: ToLane) => lane.postMessage(message);
  return {
    hash: (attempt, file, offset, length, md5) => {
      reading.set(attempt, file);
      post({ type: "hash", attempt, slice: file.slice(offset, offset + length), length, md5 });
    },
    send: (attempt, file, offset, length, method, url, headers, fields) => {
      reading.set(attempt, file);
      const slice = file.slice(offset, offset + length);
      post({ type: "send", attempt, slice, length, method, url, headers, fields });
    },
    cancel: (attempt) => {
      reading.delete(attempt);
      post({ type: "cancel", attempt });
    },
  };
}

function forwardLaneMessage(conductor: Conductor, message: FromLane): void {
  switch (message.type) {
    case "hashed":
      return conductor.hashed(message.attempt, message.crc64nvme);
    case "digested":
      return conductor.digested(message.attempt, message.md5);
    case "sent":
      return conductor.sent(message.attempt, message.loaded);
    case "stored":
      return conductor.stored(message.attempt, message.protocol);
    case "attemptFailed": {
      const { attempt, failure, status, body, retryAfter } = message;
      return conductor.attemptFailed(attempt, failure, status, body, retryAfter);
    }
  }
}
