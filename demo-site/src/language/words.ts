import { ar } from "./ar.ts";
import { de } from "./de.ts";
import { en } from "./en.ts";

/** A text for each plural form that its language has. */
export type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

/** Everything that a person reads on this page, in one language. */
export type Words = Texts<typeof en>;

type Texts<T> = {
  readonly [K in keyof T]: T[K] extends string
    ? K extends "direction"
      ? T[K]
      : string
    : T[K] extends Forms
      ? Forms
      : Texts<T[K]>;
};

/** Source: own choice; Arabic also keeps the page honest about its direction. */
export const LANGUAGES = { en, de, ar } satisfies Record<string, Words>;

/** A language of the page, as a BCP 47 tag. */
export type Language = keyof typeof LANGUAGES;

let current: Language = "en";

/** The language that the page is in. */
export function language(): Language {
  return current;
}

/** Changes the language of everything that is said from now on. */
export function speak(chosen: Language): void {
  current = chosen;
}

/** What the page says, in its language. */
export function words(): Words {
  return LANGUAGES[current];
}

/** A text with its `{places}` filled. */
export function fill(text: string, values: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => values[name] ?? place);
}

/** The text for that many, with `{count}` and other places filled. */
export function counted(forms: Forms, count: number, values: Record<string, string> = {}): string {
  const form = forms[plurals().select(count)] ?? forms.other;
  return fill(form, { count: whole(count), ...values });
}

/** A whole number. */
export function whole(count: number): string {
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
