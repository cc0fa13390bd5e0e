/** What a translation of the page consists of. */
import type { en } from "./en.ts";

/** A text for each plural form that its language has. */
export type PluralForms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

/** Everything that a person reads on this page, in one language. */
export type Messages = Translated<typeof en>;

type Translated<T> = {
  readonly [K in keyof T]: T[K] extends string
    ? K extends "direction"
      ? T[K]
      : string
    : T[K] extends PluralForms
      ? PluralForms
      : Translated<T[K]>;
};
