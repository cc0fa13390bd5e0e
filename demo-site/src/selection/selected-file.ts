import type { Uploadable } from "@syncsphere/uploader";

/** A file that a person chose. */
export interface SelectedFile {
  content: Uploadable;
  name: string;
  size: number;
  /** The folder that it was in, from the chosen one on; empty for a file that was chosen by itself. */
  path: string;
}

/** Takes what a person chose, however that was done. */
export interface FileReceiver {
  files(files: SelectedFile[]): void;
  /** All that is in a folder, as it is found; `null` stands for something that cannot be read. */
  folder(name: string, files: FolderFiles): void;
}

export type FolderFiles = Iterable<SelectedFile> | AsyncIterable<SelectedFile | null>;

/** Names as people count: 9 before 10. */
export const naturalOrder = new Intl.Collator(undefined, { numeric: true }).compare;

/** A file without a folder. */
export function withoutFolder(file: File): SelectedFile {
  return { content: file, name: file.name, size: file.size, path: "" };
}
