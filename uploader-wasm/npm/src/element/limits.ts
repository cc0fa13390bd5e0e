import { isAccepted } from "./accept.js";
import type { UploadElementAttributes } from "./attributes.js";
import type { UploadRefusal } from "./events.js";
import { format, type UploadElementTexts } from "./labels.js";
import { formatSize, languageOf, numberFormat } from "./languages.js";

/** Why a file is not taken beside so many others, if it is not. */
export function refusalOf(
  file: File,
  { accept, maxSize = Infinity, maxFiles = Infinity }: UploadElementAttributes,
  count: number,
): UploadRefusal | undefined {
  if (!isAccepted(file, accept)) return "type";
  if (file.size > maxSize) return "size";
  return count >= maxFiles ? "count" : undefined;
}

/** The same in words. */
export function refusalText(
  { name }: File,
  reason: UploadRefusal,
  element: UploadElementAttributes,
  { notAccepted, tooLarge, tooMany }: UploadElementTexts,
): string {
  const { maxSize = 0, maxFiles = 0 } = element;
  const language = languageOf(element);
  const text = { type: notAccepted, size: tooLarge, count: tooMany }[reason];
  const count = numberFormat(language, {}).format(maxFiles);
  return format(text, { name, limit: formatSize(maxSize, language), count });
}
