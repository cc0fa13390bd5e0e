import { Uploader } from "./uploader/index.js";
import { definePage } from "./page.mjs";

definePage(async ({ integrity, warmUpBytes, restMs }) => {
  const answer = await fetch("/v1/auth/token", {
    method: "POST",
    body: new URLSearchParams({ grant_type: "urn:syncsphere:guest" }),
  });
  const { access_token: token } = await answer.json();
  const uploader = new Uploader({ endpoint: location.origin, token, integrity });
  if (warmUpBytes) await uploader.upload(new Blob([new Uint8Array(warmUpBytes)])).done;
  if (restMs) await new Promise((resolve) => setTimeout(resolve, restMs));
  return async (files) => {
    await Promise.all(uploader.uploadAll(files).map((task) => task.done));
  };
});
