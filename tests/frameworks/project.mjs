// A framework's example as a person has it: copied to a folder of its own, the packed tarball installed in it, and its own
// programs run there with a Node and the other runtimes of today.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { endProcess, spawnGuarded } from "../../stack/guard.mjs";

const run = promisify(execFile);
const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));
const PACKAGE = fileURLToPath(new URL("../../uploader-wasm/npm/", import.meta.url));

/** Angular wants a newer Node than the repository's own tools need. */
const RUNTIMES = { node: "24.21.0", bun: "1.4.5", deno: "2.9.6" };

/** How long a server may take to build its page for the first time, on a machine that does much else. */
const PATIENCE_MS = 240_000;

/** No framework's program sends anything to its makers from here. */
const SILENT = {
  ASTRO_TELEMETRY_DISABLED: "1",
  CI: "1",
  DO_NOT_TRACK: "1",
  NEXT_TELEMETRY_DISABLED: "1",
  NG_CLI_ANALYTICS: "false",
  NUXT_TELEMETRY_DISABLED: "1",
};

/** A folder for the tests of the calling file, with the tarball and the runtimes. */
export function useProjects() {
  const projects = new Projects();
  before(() => projects.start());
  after(() => projects.stop());
  return projects;
}

class Projects {
  #installed = new Map();

  async start() {
    this.folder = await mkdtemp(join(tmpdir(), "syncsphere-frameworks-"));
    const { stdout } = await run(
      "npm",
      ["pack", "--json", "--ignore-scripts", "--pack-destination", this.folder],
      { cwd: PACKAGE },
    );
    this.tarball = join(this.folder, JSON.parse(stdout)[0].filename);
    const runtimes = join(this.folder, "runtimes");
    await mkdir(runtimes);
    await writeFile(
      join(runtimes, "package.json"),
      JSON.stringify({ private: true, dependencies: RUNTIMES }),
    );
    await install(runtimes, process.env.PATH);
    this.path = [join(runtimes, "node_modules/.bin"), process.env.PATH].join(delimiter);
  }

  async stop() {
    if (this.folder) await rm(this.folder, { recursive: true, force: true });
  }

  /** The example of that name, installed; once for all tests that ask for it. */
  example(name) {
    if (!this.#installed.has(name)) this.#installed.set(name, this.#install(name));
    return this.#installed.get(name);
  }

  /** A project with nothing but the package. */
  async empty() {
    const folder = join(this.folder, "empty");
    await mkdir(folder);
    const manifest = { private: true, type: "module", dependencies: this.#dependency() };
    await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
    await install(folder, this.path);
    return new Project(folder, this.path);
  }

  async #install(name) {
    const folder = join(this.folder, name);
    await cp(join(EXAMPLES, name), folder, { recursive: true });
    const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    Object.assign(manifest.dependencies, this.#dependency());
    await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
    await install(folder, this.path);
    return new Project(folder, this.path);
  }

  #dependency() {
    return { "@syncsphere/uploader": `file:${this.tarball}` };
  }
}

function install(folder, path) {
  const quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
  return run("npm", ["install", ...quiet], { cwd: folder, env: { ...process.env, ...SILENT, PATH: path } });
}

class Project {
  #env;

  constructor(folder, path) {
    this.folder = folder;
    this.#env = {
      ...process.env,
      ...SILENT,
      PATH: [join(folder, "node_modules/.bin"), path].join(delimiter),
    };
  }

  /** Runs a program to its end, which has to be a good one. */
  async run(program, args, env = {}) {
    const options = { cwd: this.folder, env: { ...this.#env, ...env }, maxBuffer: 16 * 2 ** 20 };
    return run(program, args, options).catch(({ message, stdout, stderr }) =>
      assert.fail([message, stdout, stderr].join("\n")),
    );
  }

  /** Runs a server until the test ends; resolves when it answers at `address`. */
  async serve(t, address, program, args, env = {}) {
    const server = spawnGuarded(program, args, { cwd: this.folder, env: { ...this.#env, ...env } });
    let told = "";
    for (const stream of [server.stdout, server.stderr]) stream.on("data", (text) => (told += text));
    t.after(() => endProcess(server));
    const patience = AbortSignal.timeout(PATIENCE_MS);
    for (let answer; answer !== 200; answer = await status(address)) {
      assert.equal(server.exitCode ?? server.signalCode, null, `${program} has ended:\n${told}`);
      assert.ok(!patience.aborted, `${program} answers ${answer}:\n${told}`);
      await new Promise((done) => setTimeout(done, 200));
    }
  }
}

/** A development server may build the page before it answers. */
async function status(address) {
  try {
    return (await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS) })).status;
  } catch {
    return undefined;
  }
}
