// The npm package in a page, as another site would use it.

import { until } from "./harness.mjs";

/** The demo page with what tests of the package call in it. */
export async function openPackage(stack, t) {
  const page = await stack.openPage(t);
  t.after(() => stack.proxy?.shape());
  await equip(page);
  return page;
}

/** Puts it there, again after a reload. */
export async function equip(page) {
  await page.evaluate(async (workspace) => {
    const { Uploader } = await import("/uploader/index.js");
    globalThis.guestToken = async () => {
      const body = new URLSearchParams({ grant_type: "urn:syncsphere:guest", workspace });
      const reply = await fetch("/v1/auth/token", { method: "POST", body });
      return (await reply.json()).access_token;
    };
    globalThis.makeUploader = async (options) =>
      new Uploader({
        endpoint: location.origin,
        token: await guestToken(),
        partSize: 5 * 1024 * 1024,
        ...options,
      });
    globalThis.loads = (task, bytes) =>
      new Promise((resolve, reject) => {
        task.done.catch(reject);
        task.addEventListener("progress", ({ detail }) => detail.loaded >= bytes && resolve());
      });
    /** A file of 40 MiB that the browser keeps, and its hash. */
    globalThis.storedFile = async (name) => {
      const folder = await navigator.storage.getDirectory();
      const handle = await folder.getFileHandle(name, { create: true });
      const out = await handle.createWritable();
      for (let i = 0; i < 640; i++) await out.write(crypto.getRandomValues(new Uint8Array(65536)));
      await out.close();
      return { handle, sha256: await sha256(await (await handle.getFile()).arrayBuffer()) };
    };
    globalThis.contentHash = async (fileId) => {
      const headers = { accept: "application/json", authorization: `Bearer ${await guestToken()}` };
      const link = await (await fetch(`/v1/files/${fileId}/content`, { headers })).json();
      return sha256(await (await fetch(link.url)).arrayBuffer());
    };
    const sha256 = async (bytes) => {
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
    };
    const input = document.createElement("input");
    input.type = "file";
    input.id = "own-input";
    document.body.append(input);
  }, new URL(page.url()).searchParams.get("workspace"));
  await until(() => page.evaluate(() => typeof makeUploader === "function"), "the page is equipped");
}
