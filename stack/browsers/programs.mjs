import { existsSync } from "node:fs";

/** A program: what the environment variable names, else the first of its usual places; `undefined` where it is not there. */
export function findProgram(variable, usual) {
  const named = process.env[variable];
  return (named ? [named] : usual).find((path) => existsSync(path));
}

/** The same; throws where it is not there. */
export function needProgram(variable, usual, what) {
  const found = findProgram(variable, usual);
  if (!found) throw new Error(missing(variable, what));
  return found;
}

/** What to say of a program that is not there. */
export function missing(variable, what) {
  return `no ${what} found: install it, or set ${variable} to its path`;
}
