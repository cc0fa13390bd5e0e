const language = document.documentElement.lang;

/** A size in decimal units, as operating systems and networks count: 999 bytes, 12.3 MB, 1.07 GB. */
export function bytes(count: number): string {
  const step = stepOf(count);
  return unitFormat(step, count / 1000 ** step).format(count / 1000 ** step);
}

/** `part` of `whole`, both in the unit of the whole, which is named once: 12.3 of 300 MB. */
export function bytesOf(part: number, whole: number): string {
  const step = stepOf(whole);
  const scaled = part / 1000 ** step;
  return `${numberFormat(step, whole / 1000 ** step).format(scaled)} of ${bytes(whole)}`;
}

/** A speed; nothing where nothing moves. */
export function speed(bytesPerSecond: number): string {
  return bytesPerSecond >= 1 ? `${bytes(Math.round(bytesPerSecond))}/s` : "";
}

/** Whole percents. 100 only when all is there. */
export function percent(part: number, whole: number): string {
  const hundredths = whole > 0 ? Math.floor((part / whole) * 100) : 0;
  return `${hundredths}%`;
}

/** Time left, as coarse as it is uncertain. */
export function timeLeft(seconds: number): string {
  if (seconds < 1) return "1 s left";
  if (seconds < 90) return `${Math.ceil(seconds)} s left`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 90) return `${minutes} min left`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min left` : `${Math.ceil(hours / 24)} days left`;
}

const moments = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

/** A moment in the reader's time zone; empty for what is none. */
export function moment(rfc3339: string): string {
  const date = new Date(rfc3339);
  return Number.isNaN(date.getTime()) ? "" : moments.format(date);
}

/**
 * A name as it may safely be shown. Control characters, and those that reorder what surrounds them (so that
 * `exe.jpg` could be read where `gpj.exe` stands), become visible marks.
 */
export function shownName(name: string): string {
  return name.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, "\ufffd");
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

function stepOf(count: number): number {
  let step = 0;
  // 999.5 would be shown as 1,000 of the smaller unit.
  for (let rest = count; rest >= 999.5 && step < UNITS.length - 1; rest /= 1000) step++;
  return step;
}

function unitFormat(step: number, scaled: number): Intl.NumberFormat {
  return cached(`u${step}:${digits(step, scaled)}`, {
    style: "unit",
    unit: UNITS[step] ?? "byte",
    unitDisplay: step === 0 ? "long" : "short",
    minimumFractionDigits: digits(step, scaled),
    maximumFractionDigits: digits(step, scaled),
  });
}

function numberFormat(step: number, scaled: number): Intl.NumberFormat {
  return cached(`n${step}:${digits(step, scaled)}`, {
    minimumFractionDigits: digits(step, scaled),
    maximumFractionDigits: digits(step, scaled),
  });
}

/** Three digits that count. */
function digits(step: number, scaled: number): number {
  if (step === 0 || scaled >= 99.95) return 0;
  return scaled >= 9.995 ? 1 : 2;
}

const formats = new Map<string, Intl.NumberFormat>();

function cached(key: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  let format = formats.get(key);
  if (!format) formats.set(key, (format = new Intl.NumberFormat(language, options)));
  return format;
}
