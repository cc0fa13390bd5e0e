import assert from "node:assert/strict";
import { request } from "node:http";
import { PART, noise, partOf, put } from "../worker/support.mjs";
import { doctorTests } from "./doctor.mjs";
import { pageTests } from "./pages.mjs";
import { garage } from "./servers.mjs";
import { storedTests } from "./stored.mjs";
import { claimsOf, on, useCoordinator, useServer } from "./support.mjs";
import { uploadTests } from "./uploads.mjs";
import { versionTests } from "./versions.mjs";

const storage = useServer(garage);
uploadTests(storage);
storedTests(storage);
doctorTests(storage, /^uploads: UploadPartCopy: yes; versioning: Off; Object Lock: NotImplemented 501$/);
pageTests(storage);
versionTests(storage);

const stack = useCoordinator(storage);

on(
  storage,
  "a part that was sent again and cut in half is told, and mended by sending it once more",
  async () => {
    const client = await stack.guest();
    const bytes = noise(PART + 9);
    const grant = await client.open(bytes, { partSize: PART });
    const parts = await claimsOf(grant, bytes, "crc64nvme");
    const urls = await client.sign(grant, parts);
    for (const url of urls) assert.equal((await put(url, partOf(grant, bytes, url.partNumber))).status, 200);
    await cut(urls[0], partOf(grant, bytes, 1));

    const problem = await client.completeRefused("parts_missing", grant, { parts });
    assert.match(problem.detail, /InvalidPart/);
    assert.equal((await put(urls[0], partOf(grant, bytes, 1))).status, 200);
    assert.equal((await client.complete(grant, { parts })).status, "available");
  },
);

/** Sends half of a part, and hangs up once storage has begun to take it. */
async function cut({ url, headers }, bytes) {
  await new Promise((resolve) => {
    const sending = request(url, { method: "PUT", headers: { ...headers, "content-length": bytes.length } });
    sending.on("error", resolve);
    sending.write(bytes.subarray(0, bytes.length / 2), () => sending.destroy(new Error("cut")));
  });
}
