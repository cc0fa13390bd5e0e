import { Lane } from "syncsphere_uploader";

import type { FromLane, ToLane } from "../messages.js";

/** Puts a lane at the other end of the conductor's port. */
export function startLane(conductor: MessagePort): void {
  const say = (message: FromLane) => conductor.postMessage(message);
  const lane = new Lane({
    hashed: (attempt, crc64nvme) => say({ type: "hashed", attempt, crc64nvme }),
    sent: (attempt, loaded) => say({ type: "sent", attempt, loaded }),
    stored: (attempt, protocol) => say({ type: "stored", attempt, protocol }),
    attemptFailed: (attempt, failure, status, body, retryAfter) =>
      say({ type: "attemptFailed", attempt, failure, status, body, retryAfter }),
  });
  conductor.onmessage = ({ data: order }: MessageEvent<ToLane>) => {
    switch (order.type) {
      case "hash":
        return lane.hash(order.attempt, order.file, order.offset, order.length);
      case "send": {
        const { attempt, file, offset, length, method, url, headers } = order;
        return lane.send(attempt, file, offset, length, method, url, headers);
      }
      case "cancel":
        return lane.cancel(order.attempt);
    }
  };
}
