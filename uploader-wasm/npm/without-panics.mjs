/**
 * Empties the functions of a WebAssembly module that run only once Rust has panicked: `node without-panics.mjs IN OUT`.
 *
 * In a browser a panic ends in a trap, and what is put together for its message on the way there is never shown. The
 * standard library comes compiled, so the compiler cannot leave it out; with these bodies gone, wasm-opt does. A panic
 * traps as before, only sooner. The texts of such messages, and the names of source files that they are to show, become
 * zeros, which compress.
 */
import { readFile, writeFile } from "node:fs/promises";

import binaryen from "binaryen";

/** What panics call, whatever their reason. */
const PANIC =
  /\bpanicking\b|slice_error_fail|slice_index_fail|len_mismatch_fail|panic_already_|panic_poisoned|\brust_panic|capacity_overflow|handle_alloc_error/;

/**
 * What only messages of panics are written by: nothing of ours that a browser loads formats. Vtables keep it, so it is in
 * the module although nothing comes to it.
 */
const MESSAGE =
  /\bfmt::(Debug|Display|Write)\b.*::|\bPanicPayload\b|\bfmt\b.*\b(builders|write)\b|\bfmt::Formatter\b/;

/** The path of a source file, as the compiler writes it where code may panic. */
const SOURCE = /[\w./-]+\/src\/[\w./-]+\.rs/g;

/** What the standard library's panics say, whole, for other texts stand right beside it. */
const TEXTS = [
  "slice index starts at ",
  "range start index ",
  "range end index ",
  " out of range for slice of length ",
  "copy_from_slice: source slice length (",
  ") does not match destination slice length (",
  "Attempted to initialize thread-local while it is being dropped",
  "internal error: entered unreachable code",
  "overflow in Duration::new",
  "overflow when multiplying duration by scalar",
  "overflow when adding durations",
  "overflow when subtracting durations",
  "assertion failed: i < self.len()",
  "assertion failed: j < self.len()",
  "Tried to shrink to a larger capacity",
  "Once instance has previously been poisoned",
  "one-time initialization may not be performed recursively",
  "LazyCell instance has previously been poisoned",
  "capacity overflow",
  "called `Option::unwrap()` on a `None` value",
  "attempt to divide by zero",
  "RefCell already mutably borrowed",
  "RefCell already borrowed",
  "index out of bounds: the len is ",
  " but the index is ",
  "insertion index (is ",
  ") should be <= len (is ",
  "removal index (is ",
  ") should be < len (is ",
  // And wasm-bindgen's, of a module that its own worker would use wrongly.
  "attempted to take ownership of Rust value while it was borrowed",
  "null pointer passed to rust",
  "recursive use of an object detected which would lead to unsafe aliasing in rust",
  "closure invoked recursively or after being dropped",
  // What numbers are formatted by.
  Array.from({ length: 100 }, (_, number) => String(number).padStart(2, "0")).join(""),
];

const [from, to] = process.argv.slice(2);
// The order of functions follows their names later.
binaryen.setDebugInfo(true);
const module = binaryen.readBinary(await readFile(from));
let emptied = 0;
for (let index = 0; index < module.getNumFunctions(); index++) {
  const info = binaryen.getFunctionInfo(module.getFunctionByIndex(index));
  if (info.module || !(PANIC.test(info.name) || MESSAGE.test(info.name))) continue;
  binaryen.Function.setBody(module.getFunctionByIndex(index), module.unreachable());
  emptied++;
}
checkUncalled();
// Names are the compiler's own affair; should it change them all, this is the place that has to follow.
if (emptied === 0) throw new Error("no function of a panic was found by its name");
const binary = Buffer.from(module.emitBinary());
const erase = (text, at) => binary.fill(0, at, at + text.length);
const data = constants();
const paths = [...data.bytes.toString("latin1").matchAll(SOURCE)].map(({ 0: path, index }) => ({
  begin: data.address + index,
  end: data.address + index + path.length,
}));
for (const { begin, end } of paths) data.bytes.fill(0, begin - data.address, end - data.address);
eraseLocations();
for (const text of TEXTS) {
  for (let at = binary.indexOf(text); at >= 0; at = binary.indexOf(text, at)) erase(text, at);
}
await writeFile(to, binary);

/** Fails where code that stays calls what writes messages: it would trap, as soon as a page comes to it. */
function checkUncalled() {
  module.runPasses(["remove-unused-module-elements"]);
  let caller;
  for (const line of module.emitText().split("\n")) {
    caller = /^ \(func \$("[^"]*"|\S+)/.exec(line)?.[1] ?? caller;
    const called = /\(call \$("[^"]*"|[^\s()]+)/.exec(line)?.[1];
    if (called && MESSAGE.test(called)) throw new Error(`${caller} formats, by ${called}`);
  }
}

/** The module's constants, as they lie in the binary, and where they lie in its memory. */
function constants() {
  const { offset: address, data } = module.getDataSegmentInfo(module.getDataSegment(".rodata"));
  const at = binary.indexOf(Buffer.from(data));
  if (at < 0) throw new Error("the module's constants are not where they are looked for");
  return { address, bytes: binary.subarray(at, at + data.byteLength) };
}

/**
 * Zeros where in its source each panic is: `core::panic::Location`, address and length of the file's path, line and
 * column. Nothing else points to a path.
 */
function eraseLocations() {
  const SIZE = 16;
  for (let at = 0; at + SIZE <= data.bytes.length; at += 4) {
    const begin = data.bytes.readUInt32LE(at);
    const end = begin + data.bytes.readUInt32LE(at + 4);
    if (end > begin && paths.some((path) => path.begin <= begin && end <= path.end))
      data.bytes.fill(0, at, at + SIZE);
  }
}
