import { interpolate, language, messages } from "./language/messages.ts";

/** A size in decimal units, as operating systems and networks count: 999 bytes, 12.3 MB, 1.07 GB. */
export function bytes(count: number): string {
  const step = stepOf(count);
  return unitFormat(step, count / 1000 ** step).format(count / 1000 ** step);
}

/** `part` of `whole`, both in the unit of the whole, which is named once: 12.3 of 300 MB. */
export function bytesOf(part: number, whole: number): string {
  const step = stepOf(whole);
  const scaled = numberFormat(step, whole / 1000 ** step).format(part / 1000 ** step);
  return interpolate(messages().ofWhole, { part: scaled, whole: bytes(whole) });
}

/** A speed; nothing where nothing moves. */
export function speed(bytesPerSecond: number): string {
  if (bytesPerSecond < 1) return "";
  const step = Math.max(1, stepOf(bytesPerSecond));
  const scaled = bytesPerSecond / 1000 ** step;
  return cached(`s${step}:${digits(step, scaled)}`, {
    style: "unit",
    unit: `${UNITS[step]}-per-second`,
    unitDisplay: "short",
    ...fixed(digits(step, scaled)),
  }).format(scaled);
}

/** Whole percents. 100 only when all is there. */
export function percent(part: number, whole: number): string {
  const hundredths = whole > 0 ? Math.floor((part / whole) * 100) : 0;
  return cached("p", { style: "percent", maximumFractionDigits: 0 }).format(hundredths / 100);
}

/** Time left, as coarse as it is uncertain. */
export function timeLeft(seconds: number): string {
  const list = new Intl.ListFormat(language(), { type: "unit", style: "narrow" });
  return interpolate(messages().timeLeft, { time: list.format(span(seconds)) });
}

/** A moment in the reader's time zone; empty for what is none. */
export function moment(rfc3339: string): string {
  const date = new Date(rfc3339);
  if (Number.isNaN(date.getTime())) return "";
  let format = moments.get(language());
  if (!format) {
    format = new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short" });
    moments.set(language(), format);
  }
  return format.format(date);
}

/**
 * A name as it may safely be shown. Control characters, and those that reorder what surrounds them (so that
 * `exe.jpg` could be read where `gpj.exe` stands), become visible marks.
 */
export function shownName(name: string): string {
  return name.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, "\ufffd");
}

/** A name inside a sentence, so that neither changes the direction of the other. */
export function quotedName(name: string): string {
  return `\u2068${shownName(name)}\u2069`;
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
    ...fixed(digits(step, scaled)),
  });
}

function numberFormat(step: number, scaled: number): Intl.NumberFormat {
  return cached(`n${step}:${digits(step, scaled)}`, fixed(digits(step, scaled)));
}

function fixed(count: number): Intl.NumberFormatOptions {
  return { minimumFractionDigits: count, maximumFractionDigits: count };
}

/** Three digits that count. */
function digits(step: number, scaled: number): number {
  if (step === 0 || scaled >= 99.95) return 0;
  return scaled >= 9.995 ? 1 : 2;
}

function span(seconds: number): string[] {
  if (seconds < 90) return [amount(Math.max(1, Math.ceil(seconds)), "second")];
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 90) return [amount(minutes, "minute")];
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return [amount(Math.ceil(hours / 24), "day")];
  const rest = minutes % 60;
  return [amount(hours, "hour"), ...(rest > 0 ? [amount(rest, "minute")] : [])];
}

function amount(count: number, unit: string): string {
  return cached(`t${unit}`, { style: "unit", unit, unitDisplay: "short" }).format(count);
}

const formats = new Map<string, Intl.NumberFormat>();
const moments = new Map<string, Intl.DateTimeFormat>();

/** Formats take long to make. */
function cached(key: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const place = `${language()} ${key}`;
  let format = formats.get(place);
  if (!format) formats.set(place, (format = new Intl.NumberFormat(language(), options)));
  return format;
}
