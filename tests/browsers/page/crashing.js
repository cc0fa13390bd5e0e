// The worker that pages share, which crashes on demand as after a trap.

import "/uploader/shared-worker.js";

new BroadcastChannel("crash").onmessage = () => {
  setTimeout(() => {
    throw new Error("crashed on demand");
  });
};
