// What is written down for users of the package holds: every error code has its section, every example compiles.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PACKAGE = join(ROOT, "uploader-wasm/npm");

test("every error code and every reason has a section that says what to do", async () => {
  const types = await readFile(join(PACKAGE, "src/types.ts"), "utf8");
  const page = await readFile(join(ROOT, "docs/errors.md"), "utf8");
  for (const [name, heading, least] of [
    ["UploadErrorCode", "### ", 20],
    ["UploadErrorReason", "#### ", 9],
  ]) {
    const [, union] = new RegExp(`^export type ${name} =(.*?);$`, "ms").exec(types);
    const codes = Array.from(union.matchAll(/^ *\| "([a-z_]+)"/gm), ([, code]) => code);
    assert.ok(codes.length >= least, `${codes.length} of ${name} found`);
    const headings = page.split("\n").filter((line) => line.startsWith(heading));
    const described = headings.flatMap((line) =>
      Array.from(line.matchAll(/`([a-z_]+)`/g), ([, code]) => code),
    );
    assert.deepEqual(described.sort(), codes.sort());
  }
});

test("every example of the README and the guides compiles against the package's types", async (t) => {
  const examples = await examplesOfGuides(/^tsx?$/);
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const [, code] = /^```js\n(import.*?)^```/ms.exec(readme);
  const around = "declare const fetchMyToken: any, input: any, show: any, pauseButton: any;\n";
  examples.push(["README.ts", around + code]);
  assert.ok(examples.length >= 6, `${examples.length} examples found`);
  await compile(t, examples);
});

test("every example for pages that still have Uppy 5 compiles against its types", async (t) => {
  const examples = await examplesOfGuides(/^ts uppy5$/);
  assert.ok(examples.length >= 1, `${examples.length} examples found`);
  const uppy = (name) => [join(ROOT, "tests/fixtures/uppy5/node_modules/@uppy", name, "lib/index.d.ts")];
  await compile(t, examples, { "@uppy/core": uppy("core"), "@uppy/aws-s3": uppy("aws-s3") });
});

/** The code of all guides that is marked so, each with a file name. */
async function examplesOfGuides(mark) {
  const examples = [];
  for (const page of (await readdir(join(ROOT, "docs/guides"))).filter((name) => name.endsWith(".md"))) {
    const text = await readFile(join(ROOT, "docs/guides", page), "utf8");
    for (const [, info, code] of text.matchAll(/^```([^\n]*)\n(.*?)^```/gms)) {
      if (!mark.test(info)) continue;
      const [kind] = info.split(" ");
      examples.push([`${page.replaceAll(/\W/g, "-")}-${examples.length + 1}.${kind}`, code]);
    }
  }
  return examples;
}

async function compile(t, examples, paths) {
  const folder = await mkdtemp(join(ROOT, "target/docs-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, code] of examples) await writeFile(join(folder, name), code);
  const compilerOptions = {
    target: "ES2022",
    module: "ES2022",
    moduleResolution: "bundler",
    lib: ["ES2023", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    jsx: "react-jsx",
    paths: { ...(await entries()), ...paths },
  };
  const include = ["*.ts", "*.tsx"];
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include }));
  const manifest = createRequire(join(ROOT, "package.json")).resolve("typescript/package.json");
  const compiler = join(dirname(manifest), "bin/tsc");
  try {
    execFileSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" });
  } catch (error) {
    assert.fail(error.stdout);
  }
}

/** Where the types of each of the package's entries are. */
async function entries() {
  const { name, exports } = JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8"));
  const withTypes = Object.entries(exports).filter(([, target]) => target.types);
  return Object.fromEntries(
    withTypes.map(([entry, { types }]) => [name + entry.slice(1), [join(PACKAGE, types)]]),
  );
}
