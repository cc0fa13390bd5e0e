// The floor: what any uploader has to do. All URLs come with one call, six XHRs send slices, nothing is checked,
// nothing is tried again.

import { definePage } from "./page.mjs";

definePage(async ({ partSize }) => async (files) => {
  const sizes = files.map((file) => file.size);
  const uploads = await call("begin", { sizes, partSize });
  const parts = uploads.flatMap(({ urls }, index) =>
    urls.map((url, part) => ({ index, part, url, start: part * partSize, end: (part + 1) * partSize })),
  );
  const etags = uploads.map(() => []);
  const lane = async () => {
    for (let next = parts.shift(); next; next = parts.shift()) {
      const { index, part, url, start, end } = next;
      etags[index][part] = await put(url, files[index].slice(start, end));
    }
  };
  await Promise.all(Array.from({ length: 6 }, lane));
  await call("complete", {
    uploads: uploads.map(({ key, uploadId }, index) => ({ key, uploadId, etags: etags[index] })),
  });
});

async function call(what, body) {
  const answer = await fetch(`/floor/${what}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${what} answered ${answer.status}`);
  return await answer.json();
}

function put(url, slice) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    request.onload = () => {
      if (request.status === 200) resolve(request.getResponseHeader("etag"));
      else reject(new Error(`storage answered ${request.status}`));
    };
    request.onerror = () => reject(new Error("the connection broke"));
    request.send(slice);
  });
}
