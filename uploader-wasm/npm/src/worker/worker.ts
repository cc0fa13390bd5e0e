/** The script of every worker: a conductor or a lane, as its first message says. */
import { initSync } from "syncsphere_uploader";

import type { StartMessage } from "../messages.js";
import { startConductor } from "./conductor.js";
import { startLane } from "./lane.js";

// A trap in a promise reaches nobody by itself: the page hears of it as of any other crash.
onunhandledrejection = ({ reason }) => reportError(reason);

onmessage = ({ data: start }: MessageEvent<StartMessage>) => {
  initSync({ module: start.module });
  if (start.role === "lane") startLane(start.conductor, start.bodies);
  else startConductor(start.lanes, start.options);
};
