import { mediaType } from "./media-type.js";
import type { FileDescription } from "./messages.js";
import { checkPriority } from "./options.js";
import type { UploadOptions } from "./types.js";

/** The options of an upload as far as they describe its file. */
export type Choices = Pick<
  FileDescription,
  "path" | "metadata" | "chosenType" | "renamed" | "priority" | "base"
>;

/**
 * A copy of what the page chose, which no later change of its objects reaches, and which can be posted to a worker. Throws
 * a `TypeError` that names what is no text, or a `RangeError`.
 */
export function checkChoices({ name, path, metadata, contentType, priority, base }: UploadOptions): Choices {
  checkText("name", name);
  checkText("path", path);
  checkText("base", base);
  checkText("contentType", contentType);
  checkPriority(priority);
  if (metadata != null && typeof metadata !== "object") throw new TypeError("metadata must be an object");
  const copy = metadata == null ? undefined : { ...metadata };
  for (const key in copy) checkText(`metadata.${key}`, copy[key]);
  const chosenType = contentType && mediaType(contentType);
  return {
    path,
    metadata: copy,
    chosenType: chosenType || undefined,
    renamed: name !== undefined,
    priority,
    base,
  };
}

/** What is told to the conductor about a file. */
export function describeFile(content: Blob, name: string, choices: Choices): FileDescription {
  const lastModified = "lastModified" in content ? (content.lastModified as number) : undefined;
  const { path, metadata, chosenType, renamed, priority, base } = choices;
  const contentType = chosenType ?? mediaType(content.type);
  return { name, contentType, lastModified, path, metadata, chosenType, renamed, priority, base };
}

function checkText(name: string, value: unknown): void {
  if (value != null && typeof value !== "string") throw new TypeError(`${name} must be text`);
}
