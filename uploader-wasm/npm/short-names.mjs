/**
 * Gives what a WebAssembly module imports and exports short names, in the module and in the script that goes with it:
 * `node short-names.mjs MODULE SCRIPT`, in place.
 *
 * wasm-bindgen's names of imports end in a hash each, which stands in both files and which no compression shortens.
 */
import { readFile, writeFile } from "node:fs/promises";

/** Source: WebAssembly's core specification, "Binary Format": two sections, and an import that is a function. */
const IMPORTS = 2;
const EXPORTS = 7;
const FUNCTION = 0;

/** The name of all imports' module, in place of wasm-bindgen's. */
const FROM = "e";

const [modulePath, scriptPath] = process.argv.slice(2);
let binary = await readFile(modulePath);
let script = await readFile(scriptPath, "utf8");
let at;

rewrite(IMPORTS, (index) => {
  const from = text();
  script = script.replace(`"${from}":`, `"${FROM}":`);
  const name = text();
  if (binary[at++] !== FUNCTION) throw new Error(`${name} is no function`);
  const short = shortened(new RegExp(`\\b${name}\\b`, "g"), `i${index.toString(36)}`);
  return [...string(FROM), ...string(short), FUNCTION, ...encoded(unsigned())];
});
rewrite(EXPORTS, (index) => {
  const name = new RegExp(`(?<=\\bwasm\\.)${text()}\\b`, "g");
  const what = [binary[at++], ...encoded(unsigned())];
  // Some are for other scripts of wasm-bindgen's.
  return name.test(script) ? [...string(shortened(name, `x${index.toString(36)}`)), ...what] : undefined;
});
await writeFile(modulePath, binary);
await writeFile(scriptPath, script);

/** Replaces each entry of a section by what `entry` makes of it, which reads the old one; undefined leaves it out. */
function rewrite(id, entry) {
  at = 8; // after the magic number and the version
  while (binary[at] !== id) skipSection();
  const start = at;
  at += 1;
  const end = unsigned() + at;
  const count = unsigned();
  const entries = Array.from({ length: count }, (_, index) => entry(index)).filter(Boolean);
  if (at !== end) throw new Error(`section ${id} has another form`);
  const content = [...encoded(entries.length), ...entries.flat()];
  const section = [id, ...encoded(content.length), ...content];
  binary = Buffer.concat([binary.subarray(0, start), Buffer.from(section), binary.subarray(end)]);
}

/** The short name, which now stands wherever the script had the long one. */
function shortened(name, short) {
  const before = script;
  script = script.replaceAll(name, short);
  if (script === before) throw new Error(`the script has nothing of the name ${name.source}`);
  return short;
}

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
