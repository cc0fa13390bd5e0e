// Fresh projects of the common frameworks: what each one's development server shows, and what its production build does,
// upload a file in Chromium to real storage, from another origin than the coordinator's.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

import { freePorts } from "../../stack/ports.mjs";
import { openWatched } from "../browser/published.mjs";
import { ARTIFACTS, useStack } from "../browser/harness.mjs";
import { useProjects } from "./project.mjs";

const VITE = fileURLToPath(new URL("../../node_modules/vite/bin/vite.js", import.meta.url));

const [devPort, sitePort] = await freePorts(2);
const site = (port) => `http://localhost:${port}`;
const projects = useProjects();
const stack = useStack({
  direct: true,
  vars: { ALLOWED_ORIGINS: [devPort, sitePort].map(site).join(",") },
});

const at = (port) => ["--port", String(port), "--host", "localhost"];
const atStrictly = (port) => [...at(port), "--strictPort"];

/**
 * `env` names the variable that tells the example where the coordinator is. `dev`, `build` and `serve` are programs with
 * their arguments; where a program takes its port from the environment, `PORT` says it too.
 */
const FRAMEWORKS = [
  {
    name: "Next.js, Turbopack",
    example: "nextjs",
    env: "NEXT_PUBLIC_ENDPOINT",
    dev: (port) => ["next", "dev", "--turbopack", "--port", String(port), "--hostname", "localhost"],
    build: ["next", "build", "--turbopack"],
    serve: (port) => ["next", "start", "--port", String(port)],
  },
  {
    name: "Next.js, webpack",
    example: "nextjs",
    env: "NEXT_PUBLIC_ENDPOINT",
    dev: (port) => ["next", "dev", "--webpack", "--port", String(port), "--hostname", "localhost"],
    build: ["next", "build", "--webpack"],
    serve: (port) => ["next", "start", "--port", String(port)],
  },
  {
    name: "React Router",
    example: "react-router",
    env: "VITE_ENDPOINT",
    dev: (port) => ["react-router", "dev", ...atStrictly(port)],
    build: ["react-router", "build"],
    serve: () => ["react-router-serve", "build/server/index.js"],
  },
  {
    name: "Vue",
    example: "vue",
    env: "VITE_ENDPOINT",
    dev: (port) => ["vite", ...atStrictly(port)],
    build: ["vite", "build"],
    serve: (port) => ["vite", "preview", ...atStrictly(port)],
  },
  {
    name: "Nuxt",
    example: "nuxt",
    env: "NUXT_PUBLIC_ENDPOINT",
    dev: (port) => ["nuxt", "dev", ...at(port)],
    build: ["nuxt", "build"],
    serve: () => ["node", ".output/server/index.mjs"],
  },
  {
    name: "SvelteKit",
    example: "sveltekit",
    env: "VITE_ENDPOINT",
    dev: (port) => ["vite", "dev", ...atStrictly(port)],
    build: ["vite", "build"],
    serve: () => ["node", "build"],
  },
  {
    name: "Angular",
    example: "angular",
    prepare: angularEndpoint,
    dev: (port) => ["ng", "serve", ...at(port)],
    build: ["ng", "build"],
    serve: (port) => ["node", VITE, "preview", "--outDir", "dist/browser", ...atStrictly(port)],
  },
  {
    name: "Astro",
    example: "astro",
    env: "PUBLIC_ENDPOINT",
    dev: (port) => ["astro", "dev", ...at(port)],
    build: ["astro", "build"],
    serve: (port) => ["astro", "preview", ...at(port)],
  },
];

for (const { name, example, env, prepare, dev, build, serve } of FRAMEWORKS) {
  const variables = (port) => ({
    ...(env && { [env]: stack.coordinator.url }),
    HOST: "localhost",
    PORT: String(port),
  });

  test(`${name}: its development server`, async (t) => {
    const project = await projects.example(example);
    await prepare?.(project);
    const [program, ...args] = dev(devPort);
    await project.serve(t, site(devPort), program, args, variables(devPort));
    await uploads(t, site(devPort), `${name}, development`);
  });

  test(`${name}: its production build`, async (t) => {
    const project = await projects.example(example);
    await prepare?.(project);
    const [builder, ...how] = build;
    await project.run(builder, how, { ...variables(sitePort), NODE_ENV: "production" });
    const [program, ...args] = serve(sitePort);
    await project.serve(t, site(sitePort), program, args, {
      ...variables(sitePort),
      NODE_ENV: "production",
    });
    await uploads(t, site(sitePort), `${name}, production`);
  });
}

for (const [runtime, ...args] of [
  ["node", "--input-type=module", "--eval"],
  ["bun", "--eval"],
  ["deno", "eval"],
])
  test(`${runtime} imports every entry, as servers do that render pages`, async () => {
    project ??= projects.empty();
    const { stdout } = await (await project).run(runtime, [...args, IMPORTS]);
    assert.equal(stdout.trim(), "function");
  });
let project;

const IMPORTS = `
  import { Uploader } from "@syncsphere/uploader";
  import { Uploader as Inline } from "@syncsphere/uploader/inline";
  import { Workspace } from "@syncsphere/uploader/files";
  import { SyncSphereUpload } from "@syncsphere/uploader/element";
  import "@syncsphere/uploader/element/define";
  const options = { endpoint: "https://files.example.com", token: "a.b.c" };
  for (const Kind of [Uploader, Inline]) await new Kind(options).close();
  new Workspace(options);
  console.log(typeof SyncSphereUpload);`;

/** A page that a server made is not alive at once: what it does not hear is picked again. */
async function uploads(t, address, name) {
  const page = await openWatched(t, stack.browser, address);
  const file = await stack.file("framework.bin", 6 * 2 ** 20);
  const done = page.getByRole("listitem").filter({ hasText: /available [A-Za-z0-9+/]{11}=/ });
  for (let tries = 1; ; tries += 1) {
    const input = page.locator("input[type=file]").first();
    // The same file again is no change, as far as a browser goes.
    await input.setInputFiles([]);
    await input.setInputFiles(file.path);
    try {
      await done.first().waitFor({ timeout: 10_000 });
      break;
    } catch (error) {
      if (tries === 12) assert.fail(`${error.message}\n${await page.locator("body").innerText()}`);
    }
  }
  await page.screenshot({ path: join(ARTIFACTS, `${name.replaceAll(/\W+/g, "-")}.png`) });
}

/** Its builder takes constants from its own file. */
async function angularEndpoint({ folder }) {
  const path = join(folder, "angular.json");
  const configuration = JSON.parse(await readFile(path, "utf8"));
  configuration.projects.files.architect.build.options.define.ENDPOINT = `'${stack.coordinator.url}'`;
  await writeFile(path, JSON.stringify(configuration));
}
