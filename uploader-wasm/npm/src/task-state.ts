import type { TaskState } from "./types.js";

/** Whether nothing can follow a state. */
export function isFinal(state: TaskState): boolean {
  return state === "available" || state === "failed" || state === "aborted";
}
