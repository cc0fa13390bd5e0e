import { ar } from "./ar.ts";
import { de } from "./de.ts";
import { en } from "./en.ts";
import type { Messages, PluralForms } from "./translation.ts";

export type { PluralForms } from "./translation.ts";

/** Source: own choice; Arabic also keeps the page honest about its direction. */
export const LANGUAGES = { en, de, ar } satisfies Record<string, Messages>;

/** A language of the page, as a BCP 47 tag. */
export type Language = keyof typeof LANGUAGES;

let current: Language = "en";

/** The language that the page is in. */
export function language(): Language {
  return current;
}

/** Changes the language of everything that is said from now on. */
export function setLanguage(chosen: Language): void {
  current = chosen;
}

/** What the page says, in its language. */
export function messages(): Messages {
  return LANGUAGES[current];
}

/** A text with its `{places}` filled. */
export function interpolate(text: string, values: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => values[name] ?? place);
}

/** The text for that many, with `{count}` and other places filled. */
export function plural(forms: PluralForms, count: number, values: Record<string, string> = {}): string {
  const form = forms[plurals().select(count)] ?? forms.other;
  return interpolate(form, { count: integer(count), ...values });
}

/** A whole number. */
export function integer(count: number): string {
  return kept(numbers, () => new Intl.NumberFormat(current)).format(count);
}

const numbers = new Map<Language, Intl.NumberFormat>();
const rules = new Map<Language, Intl.PluralRules>();

function plurals(): Intl.PluralRules {
  return kept(rules, () => new Intl.PluralRules(current));
}

/** Formats take long to make. */
function kept<T>(cache: Map<Language, T>, make: () => T): T {
  let one = cache.get(current);
  if (one === undefined) cache.set(current, (one = make()));
  return one;
}
