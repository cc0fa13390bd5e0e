import { Lane, type LaneHost } from "syncsphere_uploader";

import type { BodySource, FromLane, ToLane } from "../messages.js";

/** Puts a lane at the other end of the conductor's port. */
export function startLane(conductor: MessagePort, bodies: BodySource): void {
  const say = (message: FromLane) => conductor.postMessage(message);
  const host: LaneHost = {
    hashed: (attempt, crc64nvme) => say({ type: "hashed", attempt, crc64nvme }),
    sent: (attempt, loaded) => say({ type: "sent", attempt, loaded }),
    stored: (attempt, protocol) => say({ type: "stored", attempt, protocol }),
    attemptFailed: (attempt, failure, status, body, retryAfter) =>
      say({ type: "attemptFailed", attempt, failure, status, body, retryAfter }),
  };
  const lane = new Lane(host, bodies === "memory");
  conductor.onmessage = ({ data: order }: MessageEvent<ToLane>) => {
    switch (order.type) {
      case "hash":
        return lane.hash(order.attempt, order.file, order.offset, order.length);
      case "send": {
        const { attempt, file, offset, length, method, url, headers, fields } = order;
        return lane.send(attempt, file, offset, length, method, url, headers, fields);
      }
      case "cancel":
        return lane.cancel(order.attempt);
    }
  };
}
