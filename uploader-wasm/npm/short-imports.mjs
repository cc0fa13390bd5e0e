/**
 * Gives what a WebAssembly module imports short names, in the module and in the script that provides it:
 * `node short-imports.mjs MODULE SCRIPT`, in place.
 *
 * wasm-bindgen's names end in a hash each, which stands in both files and which no compression shortens.
 */
import { readFile, writeFile } from "node:fs/promises";

/** Source: WebAssembly's core specification, "Binary Format": the section of imports, and an import that is a function. */
const IMPORTS = 2;
const FUNCTION = 0;

/** The name of all imports' module, in place of wasm-bindgen's. */
const FROM = "e";

const [modulePath, scriptPath] = process.argv.slice(2);
const binary = await readFile(modulePath);
let script = await readFile(scriptPath, "utf8");
let at = 8; // after the magic number and the version
while (binary[at] !== IMPORTS) skipSection();
const start = at;
at += 1;
const end = unsigned() + at;
const count = unsigned();
const imports = [];
for (let index = 0; index < count; index++) {
  const from = text();
  script = script.replace(`"${from}":`, `"${FROM}":`);
  const name = text();
  if (binary[at++] !== FUNCTION) throw new Error(`${name} is no function`);
  const short = `i${index.toString(36)}`;
  const before = script;
  script = script.replaceAll(new RegExp(`\\b${name}\\b`, "g"), short);
  if (script === before) throw new Error(`the script does not provide ${name}`);
  imports.push(...string(FROM), ...string(short), FUNCTION, ...encoded(unsigned()));
}
if (at !== end) throw new Error("the section of imports has another form");
const content = [...encoded(count), ...imports];
const section = [IMPORTS, ...encoded(content.length), ...content];
await writeFile(
  modulePath,
  Buffer.concat([binary.subarray(0, start), Buffer.from(section), binary.subarray(end)]),
);
await writeFile(scriptPath, script);

function skipSection() {
  at += 1;
  const size = unsigned();
  at += size;
}

function text() {
  const length = unsigned();
  at += length;
  return binary.toString("utf8", at - length, at);
}

/** Reads a number in LEB128. */
function unsigned() {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = binary[at++];
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value >>> 0;
  }
}

function encoded(number) {
  const bytes = [];
  for (; number >= 0x80; number >>>= 7) bytes.push((number & 0x7f) | 0x80);
  return [...bytes, number];
}

function string(text) {
  return [...encoded(text.length), ...Buffer.from(text)];
}
