import { Uploader } from "@syncsphere/uploader";
import { Announcer } from "./announcer.ts";
import { CoordinatorApi } from "./coordinator-api.ts";
import { showElsewhere } from "./elsewhere-list.ts";
import { FileList } from "./file-list.ts";
import { followWorkspace } from "./workspace-feed.ts";
import { GuestTokens } from "./guest-tokens.ts";
import { InterruptedList } from "./interrupted-list.ts";
import { onFilesChosen } from "./file-picker.ts";
import { byId } from "./page.ts";
import { UploadList } from "./upload-list.ts";

declare global {
  interface Window {
    /** The page's `Uploader`, for the curious and for tests. */
    uploader: Uploader;
  }
}

const workspace = new URLSearchParams(location.search).get("workspace") || "demo";
byId("workspace").textContent = workspace;

const tokens = new GuestTokens(workspace);
const api = new CoordinatorApi(tokens);
const uploader = new Uploader({ endpoint: location.origin, token: () => tokens.renew() });
window.uploader = uploader;

const uploads = new UploadList(uploader, new Announcer(byId("announcer")));
const files = new FileList(api);

onFilesChosen((chosen) => uploads.add(chosen));
const interrupted = new InterruptedList(uploader, uploads);
void interrupted.refresh();
showElsewhere(uploader, () => void interrupted.refresh());
follow();

// Leaving now would stop the uploads; the browser asks in words of its own.
addEventListener("beforeunload", (event) => {
  if (uploads.active) event.preventDefault();
});

function follow(): void {
  followWorkspace(uploader, api, files).catch((error: unknown) => files.fail(error, follow));
}
