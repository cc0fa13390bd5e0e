// Where files lie and what they are stored with, as an operator has configured it, on every storage.

import assert from "node:assert/strict";
import { HeadObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { Client, PART, noise, partOf, put } from "../worker/support.mjs";
import { claimsOf, deliver, on, useCoordinator } from "./support.mjs";

/** Registers the tests for one server. */
export function storedTests(server) {
  const stack = useCoordinator(server, {
    S3_PREFIX: "apps/media",
    S3_KEY_TEMPLATE: "{workspace}/{date}/{path}/{fileId}/{owner}-{name}",
    S3_OBJECT_HEADERS: JSON.stringify({ "Cache-Control": "private, max-age=60" }),
    DOWNLOAD_TTL_SECONDS: "3600",
  });

  on(server, "files lie where the template says, and are stored with the operator's headers", async () => {
    const client = await Client.guest(stack.coordinator.url, "team");
    for (const [size, forms, kind] of [
      [1000, false, "single"],
      [1000, true, "single"],
      [PART + 9, false, "multipart"],
    ]) {
      const bytes = noise(size);
      const parts = (numbers) =>
        claimsOf({ partSize: PART, partCount: size > PART ? 2 : 1 }, bytes, server.vars.S3_CHECKSUM, numbers);
      const grant = await client.open(bytes, {
        name: "take 1.mp4",
        path: "raw/cam a",
        contentType: "video/mp4",
        partSize: PART,
        forms,
        parts: await parts([1]),
      });
      assert.equal(grant.kind, kind);
      const urls = kind === "single" ? grant.urls : await client.sign(grant, await parts());
      for (const url of urls) {
        const sending =
          kind === "single" ? deliver(url, bytes) : put(url, partOf(grant, bytes, url.partNumber));
        const reply = await sending;
        assert.ok(reply.ok, await reply.text());
      }
      const file = await client.complete(grant, { parts: await parts() });
      assert.equal(file.status, "available");

      const { s3 } = stack;
      const { Contents } = await s3.client.send(
        new ListObjectsV2Command({ Bucket: s3.bucket, Prefix: "apps/media/team/" }),
      );
      const keys = Contents.map(({ Key }) => Key);
      const key = keys.find((one) => one.includes(file.fileId));
      const date = file.createdAt.slice(0, 10);
      assert.match(
        key,
        new RegExp(`^apps/media/team/${date}/raw/cam_a/${file.fileId}/[\\w.-]+-take_1\\.mp4$`),
      );
      const head = await s3.client.send(new HeadObjectCommand({ Bucket: s3.bucket, Key: key }));
      assert.equal(head.CacheControl, "private, max-age=60", `${kind}, forms ${forms}`);
    }
  });

  on(server, "a film is played in place for an hour, from anywhere in it; a page is saved", async () => {
    const client = await Client.guest(stack.coordinator.url, "team");
    const bytes = noise(1000);
    const link = async (contentType, query) => {
      const grant = await client.open(bytes, {
        contentType,
        parts: await claimsOf({ partSize: PART, partCount: 1 }, bytes, server.vars.S3_CHECKSUM),
      });
      await deliver(grant.urls[0], bytes);
      const { fileId } = await client.complete(grant, {
        parts: await claimsOf(grant, bytes, server.vars.S3_CHECKSUM),
      });
      const headers = { accept: "application/json" };
      return client.ask("GET", `/v1/files/${fileId}/content${query}`, { headers });
    };
    const film = await link("video/mp4", "?disposition=inline&expires=3600");
    assert.equal(film.expiresIn, 3600);
    const range = await fetch(film.url, { headers: { range: "bytes=10-19" } });
    assert.equal(range.status, 206);
    assert.deepEqual(Buffer.from(await range.arrayBuffer()), bytes.subarray(10, 20));
    const whole = await fetch(film.url);
    assert.match(whole.headers.get("content-disposition"), /^inline;/);
    await whole.arrayBuffer();
    const page = await fetch((await link("text/html", "?disposition=inline")).url);
    assert.match(page.headers.get("content-disposition"), /^attachment;/);
    assert.equal(page.headers.get("content-type"), "application/octet-stream");
    await page.arrayBuffer();
    await assert.rejects(link("video/mp4", "?expires=3601"), /from 1 to 3600/);
    await assert.rejects(link("video/mp4", "?disposition=shown"), /attachment or inline/);
  });
}
