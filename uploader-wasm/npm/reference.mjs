/**
 * Writes docs/api-reference.md: everything that the package's entries export, from the declarations in `dist/` and the
 * comments in them. `tests/package/reference.test.mjs` holds the page to it.
 *
 *   node uploader-wasm/npm/reference.mjs
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { Extractor, ExtractorConfig } from "@microsoft/api-extractor";
import { format } from "prettier";

const PACKAGE = fileURLToPath(new URL(".", import.meta.url));
const MANIFEST = path.join(PACKAGE, "package.json");

/** The page. */
export const PAGE = path.join(PACKAGE, "../../docs/api-reference.md");

/** Entries that export nothing of their own: what another one exports, in another form. */
const SAME_AGAIN = ["./inline", "./element/define"];

/** What the page should say. */
export async function reference() {
  const { name, exports } = JSON.parse(await readFile(MANIFEST, "utf8"));
  const sections = [];
  const described = new Set();
  for (const [entry, { types }] of Object.entries(exports)) {
    if (!types || SAME_AGAIN.includes(entry)) continue;
    const items = (await exportsOf(path.join(PACKAGE, types))).filter((item) => !described.has(item.name));
    for (const item of items) described.add(item.name);
    const descriptions = await Promise.all(items.map(section));
    sections.push([`## \`${name}${entry.slice(1)}\``, ...descriptions].join("\n\n"));
  }
  return `${[INTRODUCTION, ...sections].join("\n\n")}\n`;
}

const INTRODUCTION = `# API reference of \`@syncsphere/uploader\`

Made from the types by \`node uploader-wasm/npm/reference.mjs\`. The guides begin at [uploading](guides/uploading.md). Sizes are bytes,
times milliseconds unless a name says otherwise, and moments RFC 3339 text in UTC. Types of the first section are exported by the other
entries too; \`@syncsphere/uploader/inline\` exports all that it does.`;

/** What a file of declarations exports, as API Extractor's model has it. */
async function exportsOf(declarations) {
  const folder = await mkdtemp(path.join(tmpdir(), "syncsphere-reference-"));
  try {
    const model = path.join(folder, "model.api.json");
    const config = ExtractorConfig.prepare({
      configObject: {
        projectFolder: PACKAGE,
        mainEntryPointFilePath: declarations,
        compiler: { overrideTsconfig: { compilerOptions: COMPILER, files: [declarations] } },
        apiReport: { enabled: false, reportFileName: "unused.api.md" },
        docModel: { enabled: true, apiJsonFilePath: model },
        dtsRollup: { enabled: false },
        tsdocMetadata: { enabled: false },
      },
      configObjectFullPath: undefined,
      packageJsonFullPath: MANIFEST,
    });
    const problems = [];
    Extractor.invoke(config, {
      localBuild: true,
      messageCallback(message) {
        if (message.category === "Compiler" && message.logLevel === "error") problems.push(message.text);
        message.handled = true;
      },
    });
    if (problems.length > 0) throw new Error(problems.join("\n"));
    return JSON.parse(await readFile(model, "utf8")).members[0].members;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const COMPILER = {
  target: "ES2022",
  module: "ES2022",
  moduleResolution: "bundler",
  lib: ["ES2022", "DOM", "DOM.Iterable"],
  strict: true,
  skipLibCheck: true,
  types: [],
};

async function section(item) {
  const code = await format(declaration(item), { parser: "typescript", printWidth: 110 });
  return [`### ${item.name}`, prose(item.docComment), "```ts\n" + code + "```"].filter(Boolean).join("\n\n");
}

/** A declaration with those of its members, each below its comment. */
function declaration({ excerptTokens, members = [] }) {
  const text = excerptTokens
    .map((token) => token.text)
    .join("")
    .replace(/^export /, "")
    .trim();
  if (members.length === 0) return text;
  const inner = members.map((member) => comment(member.docComment) + declaration(member));
  return `${text} {\n${inner.join("\n")}\n}`;
}

function comment(docComment) {
  const text = prose(docComment);
  // Which API Extractor says of every constructor that says nothing of itself.
  if (!text || text.startsWith("Constructs a new instance of")) return "";
  const lines = text.split("\n");
  if (lines.length === 1) return `/** ${text} */\n`;
  return `/**\n${lines.map((line) => ` * ${line}`.trimEnd()).join("\n")}\n */\n`;
}

/** A comment without its stars. */
function prose(docComment = "") {
  return docComment
    .replace(/^\/\*\*|\*\/\s*$/g, "")
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trimEnd())
    .join("\n")
    .trim();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(PAGE, await reference());
