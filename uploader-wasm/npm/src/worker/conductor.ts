import { Conductor, type LaneLink } from "syncsphere_uploader";

import type { ConductorOptions, FromConductor, FromLane, ToConductor, ToLane } from "../messages.js";
import type { TaskState, UploadErrorCode, UploadErrorReason } from "../types.js";
import { Coordinator } from "./coordinator.js";
import { Diagnosis } from "./diagnosis.js";
import { Elsewhere } from "./elsewhere.js";
import { Feeds } from "./feeds.js";
import { Interrupted } from "./interrupted.js";
import { Tokens } from "./tokens.js";
import { Watching } from "./watching.js";

/** Puts a conductor between the page and the lanes. */
export function startConductor(lanes: MessagePort[], options: ConductorOptions): void {
  const say = (message: FromConductor) => postMessage(message);
  const tokens = new Tokens((id) => say({ type: "token", id }));
  const feeds = new Feeds(options.endpoint, tokens, say);
  const interrupted = new Interrupted(options, say);
  const elsewhere = new Elsewhere(options.endpoint, interrupted, (uploads) =>
    say({ type: "elsewhere", uploads }),
  );

  const watching = new Watching((subject) =>
    subject === 0 ? conductor.showActivity() : conductor.showParts(subject),
  );
  const end = (task: number) => {
    elsewhere.end(task);
    watching.end(task);
  };

  const coordinator = new Coordinator(options.endpoint, tokens);
  const diagnosis = new Diagnosis(options, say);
  let alarm: ReturnType<typeof setTimeout> | undefined;
  const conductor = new Conductor(
    {
      ask: (call, method, path, body, idempotencyKey, isSlow) =>
        void coordinator.ask({ method, path, body, idempotencyKey, isSlow }).then((answer) => {
          if (typeof answer === "string") conductor.unanswered(call, answer);
          else {
            void diagnosis.refused(answer.status, answer.body);
            conductor.replied(call, answer.status, answer.body);
          }
        }),
      wake: (after) => {
        clearTimeout(alarm);
        if (after !== undefined) alarm = setTimeout(() => conductor.awake(), after);
      },
      examine: (method, url) =>
        void diagnosis.examine(method, url).then((reason) => conductor.examined(reason)),
      save: (task, uploadId, checkpoint) => interrupted.save(task, uploadId, checkpoint),
      forget: (task) => interrupted.forget(task),
      state: (task, word) => {
        const state = word as TaskState;
        if (state === "aborted") end(task);
        else elsewhere.tell(task, { state });
        say({ type: "state", task, state });
      },
      progress: (task, loaded, total, rate, etaSeconds) => {
        const progress = { loaded, total, rate, etaSeconds: etaSeconds ?? null };
        elsewhere.tell(task, { progress });
        say({ type: "progress", task, progress });
      },
      activity: (window, inFlight, waiting, retries, hedges) => {
        const isNews = watching.isNews(0, [window, inFlight, waiting, retries, hedges]);
        // The speed, which the page adds, is new as long as anything moves.
        if (isNews || inFlight > 0)
          say({ type: "activity", activity: { window, inFlight, waiting, retries, hedges } });
      },
      parts: (task, partSize, view) => {
        const states = view.slice();
        if (watching.isNews(task, states)) say({ type: "parts", task, parts: { partSize, states } });
      },
      available: (task, record) => {
        end(task);
        interrupted.end(task);
        say({ type: "available", task, record });
      },
      failed: (task, code, reason, retryable, message, requestId, status) => {
        const failure = {
          code: code as UploadErrorCode,
          reason: reason as UploadErrorReason | undefined,
          retryable,
          message,
          requestId: requestId || undefined,
          status,
        };
        end(task);
        interrupted.end(task);
        say({ type: "failed", task, failure });
      },
    },
    lanes.map(linkTo),
    JSON.stringify(options),
    crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n,
  );

  for (const lane of lanes) {
    lane.onmessage = ({ data }: MessageEvent<FromLane>) => {
      if (data.type === "stored" && data.hidesEtag) diagnosis.etagHidden();
      hear(conductor, data);
    };
  }
  const network = (online: boolean) => {
    feeds.network(online);
    conductor.network(online);
  };
  addEventListener("online", () => network(true));
  addEventListener("offline", () => network(false));
  if (!navigator.onLine) network(false);

  const add = ({ task, file, handle, description }: Extract<ToConductor, { type: "add" }>) => {
    interrupted.watch(task, description, handle);
    try {
      conductor.add(task, file, JSON.stringify(description));
    } catch {
      interrupted.end(task);
      const failure = {
        code: "invalid_request",
        message: "path and metadata must be text",
        retryable: false,
      } as const;
      say({ type: "failed", task, failure });
    }
  };

  onmessage = ({ data: message }: MessageEvent<ToConductor>) => {
    switch (message.type) {
      case "add":
        return add(message);
      case "restore":
        return interrupted.restore(conductor, message);
      case "pause":
      case "resume":
      case "abort":
        return conductor[message.type](message.task);
      case "watch":
        return watching.start(message.task);
      case "unwatch":
        return watching.end(message.task);
      case "network":
        return network(message.online);
      case "token":
        return tokens.answer(message.id, message.answer);
      case "subscribe":
        return feeds.open(message.feed, message.since);
      case "unsubscribe":
        return feeds.close(message.feed);
      case "close":
        return void interrupted.flush().then(() => say({ type: "closed" }));
      case "interrupted":
        return void interrupted.list().then((value) => say({ type: "answer", id: message.id, value }));
      case "discard":
        return void interrupted
          .discard(conductor, message.uploadId)
          .then((value) => say({ type: "answer", id: message.id, value }));
      case "reopen":
        return void interrupted
          .reopen(message.uploadId)
          .then((value) => say({ type: "answer", id: message.id, value }));
    }
  };
}

function linkTo(lane: MessagePort): LaneLink {
  const say = (message: ToLane) => lane.postMessage(message);
  return {
    hash: (attempt, file, offset, length) => say({ type: "hash", attempt, file, offset, length }),
    send: (attempt, file, offset, length, method, url, headers, fields) =>
      say({ type: "send", attempt, file, offset, length, method, url, headers, fields }),
    cancel: (attempt) => say({ type: "cancel", attempt }),
  };
}

function hear(conductor: Conductor, message: FromLane): void {
  switch (message.type) {
    case "hashed":
      return conductor.hashed(message.attempt, message.crc64nvme);
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
