// Each cell of the table in docs/browsers.md stands on tests: those that it names are there.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

test("every test that the table of browsers names is there", async () => {
  const page = await readFile(join(ROOT, "docs/browsers.md"), "utf8");
  const rows = page.split("\n").filter((line) => /^\| (?!what )/.test(line) && line.split("|").length === 8);
  assert.ok(rows.length > 20, `${rows.length} rows found`);
  const named = rows.flatMap((row) => {
    const [what, , , , , cell] = row.split("|").slice(1);
    const tests = [...namedTests(cell)];
    assert.ok(tests.length > 0, `no test for ${what}`);
    return tests;
  });
  const titles = titlesOf([...new Set(named.map(({ file }) => file))]);
  const missing = named.filter(({ file, title }) => {
    const pattern = new RegExp(
      `^${title
        .split(/\s*…\s*/)
        .map(RegExp.escape)
        .join(".+")}( \\(|$)`,
    );
    return !titles[file].some((one) => pattern.test(one));
  });
  assert.deepEqual(missing, []);
});

/** Titles in quotation marks, each of the file that is named before it: by its path, or by its name in `tests/browsers`. */
function* namedTests(cell) {
  let file;
  for (const [, title, name] of cell.matchAll(/“([^”]+)”|`([^`]+)`/g)) {
    if (name) file = name.includes("/") ? name : `tests/browsers/${name}.test.mjs`;
    // A file alone stands for all of its tests.
    yield { file, title: title ?? "…" };
  }
}

/** The titles of each file's tests, none of which is run. */
function titlesOf(files) {
  const env = { ...process.env };
  delete env.SYNCSPHERE_ENGINES;
  const flags = ["--input-type=module", "--eval", LISTER, ...files.map((file) => join(ROOT, file))];
  const lists = JSON.parse(execFileSync(process.execPath, flags, { encoding: "utf8", env }));
  return Object.fromEntries(files.map((file, at) => [file, lists[at]]));
}

/** In the place of `node:test`. */
const COLLECTOR = `
export const test = (title) => void globalThis.titles.push(title);
export const describe = (_, register) => register();
export const before = () => {};
export { before as after, before as beforeEach, before as afterEach, test as default };
`;

const LISTER = `
import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";
const url = "data:text/javascript," + encodeURIComponent(${JSON.stringify(COLLECTOR)});
registerHooks({
  resolve: (name, context, next) => (name === "node:test" ? { url, shortCircuit: true } : next(name, context)),
});
const lists = [];
for (const file of process.argv.slice(1)) {
  lists.push((globalThis.titles = []));
  await import(pathToFileURL(file));
}
process.stdout.write(JSON.stringify(lists), () => process.exit(0));
`;
