/** Files that systems put into folders by themselves. Source: macOS Finder; Windows Explorer. */
const SYSTEM_FILES = [".DS_Store", "Thumbs.db"];

export function isSystemFile(name: string): boolean {
  return SYSTEM_FILES.includes(name);
}

/** Where a picked folder has the file: the folder's own name first; empty for a file that was picked by itself. */
export function pickedFolder(file: object): string {
  const path = "webkitRelativePath" in file ? String(file.webkitRelativePath) : "";
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** One path of several, without those that are empty; `undefined` for the root. */
export function joinPaths(...paths: (string | undefined)[]): string | undefined {
  return paths.filter(Boolean).join("/") || undefined;
}
