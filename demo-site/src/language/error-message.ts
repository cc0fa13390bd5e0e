import type { UploadErrorCode } from "@syncsphere/uploader";
import { messages } from "./messages.ts";

/** One sentence for a person, with the code for whoever is asked for help. */
export function errorMessage(error: unknown): string {
  const { problems, somethingWrong } = messages();
  const code = codeOf(error);
  if (code && Object.hasOwn(problems, code)) {
    const details = [code, code === "storage_refused" && storageCode(error)].filter(Boolean).join(": ");
    return `${problems[code as UploadErrorCode]} (${details})`;
  }
  if (error instanceof TypeError || (error instanceof DOMException && error.name === "TimeoutError")) {
    return `${problems.coordinator_unreachable} (coordinator_unreachable)`;
  }
  const text = error instanceof Error && error.message ? error.message : somethingWrong;
  return code ? `${text} (${code})` : text;
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** Storage's own code, which the message ends with. */
function storageCode(error: unknown): string | undefined {
  return error instanceof Error ? /: ([A-Za-z]\w{1,63})$/.exec(error.message)?.[1] : undefined;
}
