/**
 * Media types of file names, where systems often tell none or one of their own.
 *
 * Source: IANA, media types; Apple, `public.heic`; Windows says `application/vnd.ms-excel` of `.csv` once Excel is there.
 */
const TYPES: Record<string, string> = {
  ...of("image", "avif bmp dng gif heic heif jpeg jxl png tiff webp"),
  jpg: "image/jpeg",
  svg: "image/svg+xml",
  tif: "image/tiff",
  ...of("audio", "aac flac ogg opus wav"),
  m4a: "audio/mp4",
  mp3: "audio/mpeg",
  ...of("video", "mp4 webm"),
  "3gp": "video/3gpp",
  avi: "video/x-msvideo",
  m4v: "video/mp4",
  mkv: "video/x-matroska",
  mov: "video/quicktime",
  mts: "video/mp2t",
  ...of("text", "css csv html"),
  md: "text/markdown",
  txt: "text/plain",
  ...of("application", "json pdf xml zip"),
};

/**
 * Whether a file is of a kind that an `accept` attribute names, by its type or, as not every system tells one, by its name.
 *
 * Source: HTML Standard, `<input type=file>`, the accept attribute: `.ext`, `type/subtype`, `image/*`, with commas.
 */
export function isAccepted({ name, type }: { name: string; type: string }, accept: string): boolean {
  const kinds = accept
    .toLowerCase()
    .split(",")
    .map((kind) => kind.trim())
    .filter(Boolean);
  const lowerName = name.toLowerCase();
  const types = [type.toLowerCase().split(";")[0]?.trim(), TYPES[lowerName.split(".").at(-1) ?? ""]];
  const fits = (kind: string) => {
    if (kind.startsWith(".")) return lowerName.endsWith(kind);
    if (kind.endsWith("/*")) return types.some((one) => one?.startsWith(kind.slice(0, -1)));
    return types.includes(kind);
  };
  return kinds.length === 0 || kinds.some(fits);
}

/** File names' endings that are the subtypes too. */
function of(type: string, endings: string): Record<string, string> {
  return Object.fromEntries(endings.split(" ").map((ending) => [ending, `${type}/${ending}`]));
}
