import type { FileRecord, Uploader } from "@syncsphere/uploader";
import type { CoordinatorApi } from "../coordinator/coordinator-api.ts";
import { messages } from "../language/messages.ts";
import { byId } from "../dom.ts";
import type { FileList } from "./file-list.ts";

/**
 * Keeps the list of files as the workspace has it, until something fails for good. `onFile` hears of each change besides.
 *
 * The feed's position is read before the list: whatever happens in between comes again as a change, and a row takes no
 * record older than its own.
 */
export async function followChanges(
  uploader: Uploader,
  api: CoordinatorApi,
  files: FileList,
  onFile: (file: FileRecord) => void,
): Promise<never> {
  const since = await api.newestChange();
  await files.reload();
  for await (const change of uploader.changes({ since, onLive: showLive })) {
    if (change.type === "reset") {
      await files.reload();
      continue;
    }
    files.apply(change.file);
    onFile(change.file);
  }
  throw new Error(messages().feedEnded);
}

function showLive(live: boolean): void {
  byId("feed-note").hidden = live;
}
