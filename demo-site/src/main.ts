import { Uploader } from "@syncsphere/uploader";
import { ActivityPanel } from "./activity/activity-panel.ts";
import { Announcer } from "./announcer.ts";
import { CoordinatorApi } from "./coordinator/coordinator-api.ts";
import { keptSecret, takeSecretFromAddress } from "./coordinator/guest-secret.ts";
import { GuestTokens } from "./coordinator/guest-tokens.ts";
import { FileList } from "./files/file-list.ts";
import { onSearchInput } from "./files/search-field.ts";
import { followChanges } from "./files/workspace-feed.ts";
import { listenForFiles } from "./selection/file-inputs.ts";
import { setUpLanguageSelect } from "./language/language-select.ts";
import { byId } from "./dom.ts";
import { Recordings } from "./recordings/recordings.ts";
import { askForGuest, offerDeviceLink } from "./uploads/device-link.ts";
import { showOtherTabs } from "./uploads/other-tabs-list.ts";
import { InterruptedList } from "./uploads/interrupted-list.ts";
import { OpenList } from "./uploads/open-list.ts";
import { UploadList } from "./uploads/upload-list.ts";

declare global {
  interface Window {
    /** The page's `Uploader`, for the curious and for tests. */
    uploader: Uploader;
  }
}

const address = new URLSearchParams(location.search);
const workspace = address.get("workspace") || "demo";
byId("workspace").textContent = workspace;

const invited = takeSecretFromAddress();
const secret = keptSecret();
const tokens = new GuestTokens(workspace, secret);
const api = new CoordinatorApi(tokens);
const uploader = new Uploader({
  endpoint: location.origin,
  token: () => tokens.renew(),
  // Pages share the uploads of one person, and without a secret each token is another's.
  deltas: true,
  shared: secret !== undefined && address.get("shared") !== "off",
});
window.uploader = uploader;

setUpLanguageSelect(byId("language") as HTMLSelectElement, () => {
  for (const one of [uploads, activity, interrupted, recordings, otherDevices, files]) one.relabel();
});

const announcer = new Announcer(byId("announcer"));
const uploads = new UploadList(uploader, announcer);
uploader.addEventListener("task", ({ detail: task }) => uploads.follow(task.name, task.progress.total, task));
const activity = new ActivityPanel(uploader, uploads.rows);
const interrupted = new InterruptedList(uploader, uploads);
const recordings = new Recordings(uploader, announcer);
const otherDevices = new OpenList(uploader, api, uploads);
const files = new FileList(api, announcer);

listenForFiles(uploads);
onSearchInput((start) => void files.search(start));
void interrupted.refresh();
lookForUnfinished();
// Somebody comes back, from another tab or another device.
addEventListener("focus", lookForUnfinished);
if (secret) offerDeviceLink(secret, announcer);
if (secret && invited && invited !== secret) askForGuest(invited);
showOtherTabs(uploader, () => void interrupted.refresh());
follow();

// Leaving now may stop the uploads, since not every browser has them go on; it asks in words of its own.
addEventListener("beforeunload", (event) => {
  if (uploads.active || recordings.active) event.preventDefault();
});

function lookForUnfinished(): void {
  void recordings.refresh();
  void otherDevices.refresh();
}

function follow(): void {
  const onFile = otherDevices.apply.bind(otherDevices);
  followChanges(uploader, api, files, onFile).catch((error: unknown) => files.fail(error, follow));
}
