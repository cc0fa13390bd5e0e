import { Uploader } from "./uploader/index.js";
import { definePage } from "./page.mjs";

definePage(async ({ guestSecret, deltas, untilIndexed }) => {
  const fields = { grant_type: "urn:syncsphere:guest", guest_secret: guestSecret };
  const answer = await fetch("/v1/auth/token", { method: "POST", body: new URLSearchParams(fields) });
  const { access_token: token } = await answer.json();
  const uploader = new Uploader({ endpoint: location.origin, token, deltas });
  return async ([file]) => {
    // Each version has the name of the first one.
    await uploader.upload(file, { name: "disk.img" }).done;
    while (untilIndexed && !(await isIndexed(file.size, token))) await rest();
  };
});

/** Whether the next version can be compared with this one. */
async function isIndexed(size, token) {
  const answer = await fetch("/v1/files/bases", {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "disk.img", size }),
  });
  const { bases } = await answer.json();
  return bases.some(({ chunks }) => chunks !== undefined);
}

const rest = () => new Promise((resolve) => setTimeout(resolve, 200));
