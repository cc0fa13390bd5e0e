// Streams that are sent while they go on: little is left to be sent at their end, whatever happens meanwhile.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { ListMultipartUploadsCommand, UploadPartCommand } from "@aws-sdk/client-s3";
import { crc64nvme } from "../worker/support.mjs";
import { until, useStack } from "./harness.mjs";
import { openStreams, reopenStreams } from "./streams-page.mjs";

const MIB = 1024 * 1024;
const PART = 5 * MIB;

describe("a stream that goes on", () => {
  const stack = useStack();

  beforeEach(() => stack.proxy.behave());

  /** A page with a stream of two full parts that storage has taken, and a piece of a third. */
  async function openLive(t, options) {
    const page = await openStreams(stack, t);
    await page.evaluate(async (options) => {
      await goLive({ path: "live", metadata: { camera: "b" } }, options);
      live.push(12 * 1024 * 1024);
    }, options);
    await until(() => puts().length === 2, "two parts are stored");
    await until(() => page.evaluate(() => live.upload.sentBytes === 10 * 1024 * 1024), "the page knows");
    return page;
  }

  const puts = () => stack.proxy.storedPuts;
  const partNumbers = () => puts().map(({ partNumber }) => partNumber);
  const finish = (page) => page.evaluate(() => live.finish());

  /** Has it arrived as it was, with nothing left? */
  function assertArrived({ record, hashes: [stored, sent], left }, size) {
    assert.deepEqual([record.status, record.size, record.name], ["available", size, "live.bin"]);
    assert.equal(stored, sent);
    assert.equal(left, 0, "nothing is left of it");
  }

  /** Continues it in the next page; tells what was found and what became of it. */
  function goOn(page) {
    return page.evaluate(async () => {
      const [stream, ...others] = await interrupted();
      const uploader = await makeUploader();
      const upload = await stream.upload(uploader);
      const record = await upload.done;
      await uploader.close();
      const { name, size } = stream;
      const hash = await contentHash(record.fileId);
      const { sentBytes, task } = upload;
      const isWhole = task !== undefined;
      return { name, size, others: others.length, record, hash, sentBytes, isWhole, left: await kept() };
    });
  }

  test("is stored but for its last part when it ends", async (t) => {
    const page = await openLive(t);
    await page.evaluate(() => live.push(1024 * 1024));
    const before = stack.proxy.bytesReceived;
    const found = await finish(page);
    assertArrived(found, 13 * MIB);
    assert.deepEqual([found.record.path, found.record.metadata], ["live", { camera: "b" }]);
    assert.ok(found.record.checksum.crc64nvme, "its checksum was told and proven");
    assert.deepEqual(partNumbers().toSorted(), [1, 2, 3]);
    assert.equal(stack.proxy.bytesReceived - before, 3 * MIB, "what is sent after the end");
    assert.deepEqual(found.told.slice(-2), [10 * MIB, 13 * MIB]);
    assert.equal(found.isWhole, false);
  });

  test("waits until storage is there again", async (t) => {
    const page = await openLive(t);
    const asked = () => stack.proxy.preflights + stack.proxy.requests.length;
    const before = asked();
    await stack.s3.halt();
    try {
      await page.evaluate(() => live.push(4 * 1024 * 1024));
      await until(() => asked() >= before + 3, "storage was asked in vain");
    } finally {
      await stack.s3.resume();
    }
    assertArrived(await finish(page), 16 * MIB);
  });

  test("sends a part again that came in damaged", async (t) => {
    stack.proxy.interfere(({ partNumber, attempt }) =>
      partNumber === 1 && attempt === 1 ? { kind: "damage" } : undefined,
    );
    const page = await openLive(t);
    const first = stack.proxy.requests.filter(({ partNumber }) => partNumber === 1);
    assert.deepEqual(
      first.map(({ status }) => status),
      [400, 200],
    );
    assertArrived(await finish(page), 12 * MIB);
  });

  test("reads and sends a part again that storage lacks at the end", async (t) => {
    stack.proxy.interfere(({ partNumber, attempt }) =>
      partNumber === 2 && attempt === 1 ? { kind: "answer", status: 200, afterBytes: PART } : undefined,
    );
    const page = await openLive(t);
    assertArrived(await finish(page), 12 * MIB);
    assert.deepEqual(partNumbers(), [...partNumbers().slice(0, 3), 2]);
  });

  test("is gone on with by the next page, which sends what storage lacks", async (t) => {
    const page = await openLive(t);
    const hash = await page.evaluate(() => live.hash());
    await reopenStreams(page);
    const found = await goOn(page);
    assert.deepEqual([found.name, found.size, found.others], ["live.bin", 12 * MIB, 0]);
    assert.deepEqual([found.record.size, found.record.path, found.hash], [12 * MIB, "live", hash]);
    assert.deepEqual([found.sentBytes, found.isWhole, found.left], [12 * MIB, false, 0]);
    assert.deepEqual(partNumbers().toSorted(), [1, 2, 3], "each part once");
    assert.equal(new Set(puts().map(({ uploadId }) => uploadId)).size, 1, "it is the same upload");
  });

  test("is gone on with from what is the stream's, and no other", async (t) => {
    stack.proxy.interfere(({ partNumber }) =>
      partNumber === 1 ? { kind: "answer", status: 200, afterBytes: PART } : undefined,
    );
    const page = await openLive(t);
    const hash = await page.evaluate(() => live.hash());
    stack.proxy.interfere(() => undefined);
    const [{ key: Key, uploadId: UploadId }] = puts();
    const Body = Buffer.alloc(PART, 1);
    const other = { Bucket: stack.s3.bucket, Key, UploadId, PartNumber: 1, Body };
    const ChecksumCRC64NVME = await crc64nvme(Body);
    await stack.s3.client.send(new UploadPartCommand({ ...other, ChecksumCRC64NVME }));
    const before = puts().length;
    await reopenStreams(page);
    assert.equal((await goOn(page)).hash, hash);
    assert.deepEqual(partNumbers().slice(before).toSorted(), [1, 3]);
  });

  test("is the file that it has become where the page goes before it hears so", async (t) => {
    const page = await openLive(t);
    let asked = 0;
    await page.route("**/v1/uploads/*/complete", async (route) => {
      if (asked === 0) await route.fetch();
      asked += 1;
      // The page may be gone by now.
      await route.abort().catch(() => {});
    });
    await page.evaluate(() => live.end());
    await until(() => asked > 0, "it is completed");
    await reopenStreams(page);
    await page.unrouteAll({ behavior: "ignoreErrors" });
    const before = puts().length;
    const { record, left } = await goOn(page);
    assert.deepEqual([record.status, record.size, left], ["available", 12 * MIB, 0]);
    assert.equal(puts().length, before, "nothing is sent again");
  });

  test("is begun anew by the next page where its upload is gone", async (t) => {
    const page = await openLive(t);
    const hash = await page.evaluate(async () => {
      await giveUp();
      return live.hash();
    });
    await reopenStreams(page);
    const found = await goOn(page);
    assert.deepEqual([found.record.status, found.record.path, found.hash], ["available", "live", hash]);
    assert.deepEqual([found.isWhole, found.left], [false, 0]);
  });

  test("begins anew where its upload is gone meanwhile", async (t) => {
    const page = await openLive(t);
    await page.evaluate(() => giveUp());
    await page.evaluate(() => live.push(4 * 1024 * 1024));
    const found = await finish(page);
    assertArrived(found, 16 * MIB);
    assert.ok(found.told.includes(0), "nothing of it is stored when it begins anew");
  });

  test("is aborted with all that is kept and stored of it", async (t) => {
    const page = await openLive(t);
    const open = () => uploadsOf(stack, page);
    assert.equal((await open()).length, 1);
    const [code, left] = await page.evaluate(async () => {
      await live.upload.abort();
      const { code } = await live.upload.done.catch((error) => error);
      return [code, await kept()];
    });
    assert.deepEqual([code, left], ["aborted", 0]);
    assert.deepEqual(await open(), []);
  });

  test("is discarded after a reload with what storage has of it", async (t) => {
    const page = await openLive(t);
    await reopenStreams(page);
    const left = await page.evaluate(async () => {
      const [stream] = await interrupted();
      await stream.discard(await makeUploader());
      return kept();
    });
    assert.equal(left, 0);
    assert.deepEqual(await uploadsOf(stack, page), []);
  });

  test("goes as a whole file where it is shorter than a part, or empty", async (t) => {
    const page = await openStreams(stack, t);
    for (const size of [0, 1000]) {
      await page.evaluate(async (size) => {
        await goLive();
        if (size > 0) live.push(size);
      }, size);
      const found = await finish(page);
      assertArrived(found, size);
      assert.equal(found.isWhole, true);
    }
  });

  test("goes as a whole file where the coordinator wants a size", async (t) => {
    const page = await openStreams(stack, t);
    await page.route("**/v1/uploads", (route) => {
      const { files } = route.request().postDataJSON();
      if (files[0].size !== undefined) return route.continue();
      const json = { code: "invalid_request", detail: "size is missing", status: 400 };
      return route.fulfill({ status: 400, contentType: "application/problem+json", json });
    });
    await page.evaluate(async () => {
      await goLive();
      live.push(12 * 1024 * 1024);
    });
    const found = await finish(page);
    assertArrived(found, 12 * MIB);
    assert.equal(found.isWhole, true);
  });

  test("goes on under another token, also of somebody else", async (t) => {
    const page = await openStreams(stack, t);
    await page.evaluate(async () => {
      const tokens = [await guestToken(), await guestToken()];
      globalThis.firstToken = tokens[0];
      await goLive({}, { token: () => tokens.shift() });
      live.push(6 * 1024 * 1024);
    });
    await until(() => puts().length === 1, "a part is stored");
    const first = await page.evaluate(() => firstToken);
    // As the coordinator does once a token is over.
    await page.route("**/v1/uploads/*/*", (route) => {
      if (route.request().headers().authorization !== `Bearer ${first}`) return route.continue();
      return route.fulfill({ status: 401, json: { code: "unauthenticated", status: 401 } });
    });
    await page.evaluate(() => live.push(6 * 1024 * 1024));
    assertArrived(await finish(page), 12 * MIB);
  });

  test("is sent without checksums where the page wants none", async (t) => {
    const page = await openLive(t, { integrity: "none" });
    const found = await finish(page);
    assertArrived(found, 12 * MIB);
    assert.equal(found.isWhole, false);
  });

  /** A stream whose upload fails while it goes on, since the coordinator refuses its parts, and what lets them in again. */
  async function openRefused(t) {
    const page = await openLive(t);
    const refuse = (route) =>
      route.fulfill({ status: 403, json: { code: "quota_exceeded", detail: "no room", status: 403 } });
    await page.route("**/v1/uploads/*/parts", refuse);
    const code = await page.evaluate(
      () =>
        new Promise((resolve) => {
          live.upload.addEventListener("uploaderror", ({ detail }) => resolve(detail.code));
          live.push(4 * 1024 * 1024);
        }),
    );
    assert.equal(code, "quota_exceeded");
    return [page, () => page.unroute("**/v1/uploads/*/parts", refuse)];
  }

  test("is kept to its end where its upload fails, and is tried again then", async (t) => {
    const [page, admit] = await openRefused(t);
    await page.evaluate(() => live.push(2 * 1024 * 1024));
    await until(() => page.evaluate(() => live.upload.bytes === 18 * 1024 * 1024), "it is kept still");
    await admit();
    assertArrived(await finish(page), 18 * MIB);
    assert.deepEqual(partNumbers().toSorted(), [1, 2, 3, 4], "each part once");
  });

  test("ends with what the coordinator refuses, and stays kept", async (t) => {
    const [page] = await openRefused(t);
    const [code, listed] = await page.evaluate(async () => {
      live.push(1024 * 1024);
      live.end();
      const { code } = await live.upload.done.catch((error) => error);
      return [code, (await interrupted()).map(({ size }) => size)];
    });
    assert.deepEqual([code, listed], ["quota_exceeded", [17 * MIB]]);
  });
});

describe("a stream, where storage proves content by MD5", () => {
  const stack = useStack({ vars: { S3_CHECKSUM: "md5" } });

  test("goes as a whole file, whose digests the engine computes", async (t) => {
    const page = await openStreams(stack, t);
    await page.evaluate(async () => {
      await goLive();
      live.push(12 * 1024 * 1024);
    });
    const { record, hashes, isWhole, left } = await page.evaluate(() => live.finish());
    assert.deepEqual([record.size, isWhole, left], [12 * MIB, true, 0]);
    assert.equal(hashes[0], hashes[1]);
    assert.deepEqual(await uploadsOf(stack, page), []);
  });
});

describe("a stream, where files may have no more than two parts", () => {
  const stack = useStack({ vars: { MAX_FILE_SIZE: String(2 * PART) } });

  test("is kept where it has more, and its upload is given up", async (t) => {
    const page = await openStreams(stack, t);
    const [code, listed] = await page.evaluate(async () => {
      await goLive();
      live.push(12 * 1024 * 1024);
      live.end();
      const { code } = await live.upload.done.catch((error) => error);
      return [code, (await interrupted()).map(({ size }) => size)];
    });
    assert.deepEqual([code, listed], ["file_too_large", [12 * MIB]]);
    assert.deepEqual(await uploadsOf(stack, page), []);
  });
});

/** The multipart uploads that storage has of the page's workspace. */
async function uploadsOf({ s3 }, { workspace }) {
  const { Uploads = [] } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: s3.bucket }));
  return Uploads.filter(({ Key }) => Key.startsWith(`${workspace}/`));
}
