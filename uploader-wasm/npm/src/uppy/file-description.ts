/** What Uppy knows of a file, as the coordinator wants to be told. */

/** The part of Uppy's own type for files that all its versions have. */
export interface FileOfUppy {
  name?: string;
  type?: string;
  meta?: object;
}

/** What of a file's meta is to be kept, and where its folder lies. */
export interface DescriptionOptions {
  /** Folder inside the workspace that files, and the folders they were dropped in, are put below. Default: the root. */
  path?: string;
  /** Which meta fields are kept as metadata, as with Uppy's own uploaders: all, none, or these. Default: `true`. */
  allowedMetaFields?: boolean | string[];
}

/** A file's name, folder and metadata. */
export interface Description {
  name: string;
  path: string;
  metadata: Record<string, string>;
}

/** Uppy keeps these in the meta too; the coordinator has fields of its own for them. */
const OTHER_FIELDS = ["name", "type", "relativePath"];

/** Describes a file, under the name that the person may have given it in Uppy. */
export function describeFile(
  file: FileOfUppy,
  { path, allowedMetaFields = true }: DescriptionOptions,
): Description {
  const meta = (file.meta ?? {}) as Record<string, unknown>;
  const isKept = (field: string) =>
    Array.isArray(allowedMetaFields) ? allowedMetaFields.includes(field) : allowedMetaFields;
  const metadata = Object.entries(meta)
    .filter(([field, value]) => value != null && !OTHER_FIELDS.includes(field) && isKept(field))
    .map(([field, value]) => [field, typeof value === "object" ? JSON.stringify(value) : String(value)]);
  return {
    name: stringOrEmpty(meta.name) || file.name || "blob",
    path: folderOf(path ?? "", stringOrEmpty(meta.relativePath)),
    metadata: Object.fromEntries(metadata),
  };
}

/** Uppy's relative paths end with the file's name, and begin with a slash where a folder was dropped. */
function folderOf(base: string, relativePath: string): string {
  const names = [...base.split("/"), ...relativePath.split("/").slice(0, -1)];
  return names.filter((name) => name !== "").join("/");
}

function stringOrEmpty(value: unknown): string {
  return typeof value === "string" ? value : "";
}
