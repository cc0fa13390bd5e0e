import { spawn } from "node:child_process";
import { once } from "node:events";
import { randomFillSync } from "node:crypto";
import { mkdir, open, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { DeleteObjectsCommand, ListObjectsV2Command, PutBucketCorsCommand } from "@aws-sdk/client-s3";
import { launchChromium } from "../../stack/chromium.mjs";
import { startCoordinator } from "../../stack/coordinator.mjs";
import { startProxy } from "../../stack/proxy.mjs";
import { makeRunFolder } from "../../stack/run-folder.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";
import { startLink } from "./link.mjs";
import { buildPages, OURS } from "./pages.mjs";
import { startPeers } from "./peers.mjs";

/**
 * Where contestants meet: real storage, the coordinator, the peers' servers, a browser, and slow lines between the
 * browser and all of them.
 *
 * @param {{storage?: object | null, coordinator?: object | null, faults?: boolean, secondName?: boolean, chromium?: boolean}} [lines] what `Link.shape`
 *   takes, for the way to storage and for the way to the coordinator or the peer's server; `null`, the default, is no line at
 *   all. `faults` puts a proxy before storage, which `arena.proxy` then is. `secondName`: for contestants that reach storage
 *   under two names. `chromium: false` starts no browser, for who brings one
 */
export async function openArena({
  storage = null,
  coordinator = null,
  faults = false,
  secondName = false,
  chromium = true,
} = {}) {
  const arena = new Arena();
  try {
    await arena.open(storage, coordinator, { faults, secondName, chromium });
    return arena;
  } catch (error) {
    await arena.close();
    throw error;
  }
}

// A page has been open for longer than this when a person has picked files. Source: own choice
const PERSONS_PAUSE_MS = 1000;

class Arena {
  #cleanUps = [];

  async open(storageLine, coordinatorLine, { faults, secondName, chromium }) {
    const folder = await makeRunFolder();
    this.#cleanUps.push(() => folder.remove());
    this.folder = folder.path;
    const { ours, peers } = await buildPages(join(this.folder, "pages"));

    this.s3 = await startSeaweed();
    this.#cleanUps.push(() => this.s3.stop());
    await allowAll(this.s3);
    let storage = this.s3.endpoint;
    if (faults) {
      this.proxy = await startProxy({ target: storage });
      this.#cleanUps.push(() => this.proxy.stop());
      storage = this.proxy.endpoint;
    }
    this.storageLink = storageLine && (await this.#link(storage, storageLine));
    const { endpoint, accessKeyId, secretAccessKey, bucket, region } = this.s3;
    const publicEndpoint = this.storageLink?.endpoint ?? storage;
    this.s3Settings = { endpoint, publicEndpoint, accessKeyId, secretAccessKey, bucket, region };

    const startOurs = async (s3) => {
      const server = await startCoordinator({ s3, assets: ours, edge: false });
      this.#cleanUps.push(() => server.stop());
      return coordinatorLine ? (await this.#link(server.url, coordinatorLine)).endpoint : server.url;
    };
    this.ours = await startOurs(this.s3Settings);
    if (secondName) {
      // To a browser these are two servers, with six connections each.
      const names = [publicEndpoint, publicEndpoint.replace("127.0.0.1", "localhost")];
      this.oursByTwoNames = await startOurs({ ...this.s3Settings, publicEndpoint: names.join(",") });
    }

    const peerServer = await startPeers({ s3: this.s3Settings, pages: peers, folder: this.folder });
    this.#cleanUps.push(() => peerServer.stop());
    this.peersDirectly = peerServer.url;
    this.peers = coordinatorLine
      ? (await this.#link(peerServer.url, coordinatorLine)).endpoint
      : peerServer.url;

    if (!chromium) return;
    this.browser = await launchChromium();
    this.#cleanUps.push(() => this.browser.close());
  }

  async close() {
    for (const cleanUp of this.#cleanUps.splice(0).reverse()) await cleanUp();
  }

  /**
   * Lets a contestant upload files from a fresh profile, and makes sure that storage holds that many bytes afterwards.
   * Times run from the call that a page makes when a person has picked files until its promise is fulfilled.
   *
   * @param {{page: string, settings?: object}} contestant
   * @param {{paths: string[], bytes: number}} files
   * @param {{blocked?: {busyMs: number, freeMs: number}, timeoutMs?: number, before?: () => Promise<void>,
   *   during?: () => Promise<void>}} [options] `blocked` keeps the page's main thread busy; `before` is called when all is
   *   ready, `during` when the upload has begun
   * @returns {Promise<{seconds: number, firstPutMs?: number, sent?: number}>} with a line to storage also when the first part
   *   came, and how many bytes were sent over it
   */
  async run({ page: name, settings = {} }, files, { blocked, timeoutMs = 20 * 60_000, before, during } = {}) {
    await this.#clear();
    const context = await this.browser.newContext();
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(timeoutMs);
      const problems = [];
      page.on("pageerror", (error) => problems.push(error.message));
      page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
      await this.#makeReady(page, { name, settings }, files);
      await delay(PERSONS_PAUSE_MS);
      if (blocked) {
        const url = `${this.peersDirectly}/sleep?ms=${blocked.busyMs}`;
        await page.evaluate((how) => globalThis.blockMainThread(how), { url, freeMs: blocked.freeMs });
      }
      await before?.();
      await this.storageLink?.traffic();
      const ended = page.evaluate(() => globalThis.run());
      ended.catch(() => {}); // told below
      await during?.();
      const { seconds, startedAt } = await withDeadline(ended, timeoutMs).catch((error) => {
        throw new Error([firstLine(error.message), ...problems.slice(-2)].join(" | "));
      });
      await this.#mustHold(files.bytes + (settings.warmUpBytes ?? 0));
      const traffic = await this.storageLink?.traffic();
      const firstPutMs = traffic?.firstPut && traffic.firstPut - startedAt;
      return { seconds, firstPutMs, sent: traffic?.sent };
    } finally {
      await context.close();
    }
  }

  /** Lets a contestant upload files from a fresh profile beside what is stored; nothing is measured. */
  async upload({ page: name, settings = {} }, files) {
    const context = await this.browser.newContext();
    try {
      const page = await context.newPage();
      await this.#makeReady(page, { name, settings }, files);
      await page.evaluate(() => globalThis.run());
    } finally {
      await context.close();
    }
  }

  async #makeReady(page, { name, settings }, files) {
    await page.goto(`${this.#serverOf(name, settings)}/${name}.html`);
    await page.waitForFunction(() => Boolean(globalThis.prepare));
    await page.evaluate((all) => globalThis.prepare(all), { ...settings, s3: this.s3Settings });
    await page.setInputFiles("input", files.paths);
  }

  #serverOf(page, { twoNames }) {
    if (!OURS.includes(page)) return this.peers;
    return twoNames ? this.oursByTwoNames : this.ours;
  }

  /** What a function gives in a fresh profile's page. */
  async evaluate(name, inPage, argument) {
    const context = await this.browser.newContext();
    try {
      const page = await context.newPage();
      await page.goto(`${this.peers}/${name}.html`);
      return await page.evaluate(inPage, argument);
    } finally {
      await context.close();
    }
  }

  /** Lets anything else store files; the same is made sure of. */
  async store(upload, files) {
    await this.#clear();
    const result = await upload();
    await this.#mustHold(files.bytes);
    return result;
  }

  /** Files of random bytes on disk: `{paths, bytes}`. */
  async files(count, size) {
    const folder = join(this.folder, `files-${count}-${size}`);
    await mkdir(folder, { recursive: true });
    const paths = [];
    const block = Buffer.alloc(Math.min(size, 2 ** 20));
    for (let index = 0; index < count; index++) {
      const path = join(folder, `file-${index}.bin`);
      const out = await open(path, "w");
      for (let left = size; left > 0; left -= block.length) {
        randomFillSync(block);
        await out.write(block.subarray(0, Math.min(left, block.length)));
      }
      await out.close();
      paths.push(path);
    }
    return { paths, bytes: count * size };
  }

  /** A file that takes no space on disk. */
  async sparseFile(size) {
    const path = join(this.folder, "sparse.bin");
    await writeFile(path, "");
    await truncate(path, size);
    return { paths: [path], bytes: size };
  }

  async #link(target, shape) {
    const link = await startLink({ target });
    this.#cleanUps.push(() => link.stop());
    await link.shape(shape);
    return link;
  }

  async #mustHold(bytes) {
    let held = 0;
    for await (const object of this.#objects()) held += object.Size;
    if (held !== bytes) throw new Error(`storage holds ${held} bytes of ${bytes}`);
  }

  /** Deletes what is stored, and lets the disk come to rest. */
  async #clear() {
    let keys = [];
    const remove = async () => {
      if (keys.length === 0) return;
      const Objects = keys.map((Key) => ({ Key }));
      await this.s3.client.send(new DeleteObjectsCommand({ Bucket: this.s3.bucket, Delete: { Objects } }));
      keys = [];
    };
    for await (const { Key } of this.#objects()) {
      keys.push(Key);
      if (keys.length === 1000) await remove();
    }
    await remove();
    await once(spawn("sync"), "exit");
  }

  async *#objects() {
    let token;
    do {
      const page = await this.s3.client.send(
        new ListObjectsV2Command({ Bucket: this.s3.bucket, ContinuationToken: token }),
      );
      yield* page.Contents ?? [];
      token = page.NextContinuationToken;
    } while (token);
  }
}

/** Peers send headers and use methods that our own bucket rules do not allow. */
async function allowAll({ client, bucket }) {
  const rule = {
    AllowedOrigins: ["*"],
    AllowedMethods: ["PUT", "GET", "HEAD", "POST", "DELETE"],
    AllowedHeaders: ["*"],
    ExposeHeaders: ["Content-Range", "ETag", "x-amz-checksum-crc64nvme", "x-amz-request-id"],
    MaxAgeSeconds: 7200,
  };
  const CORSConfiguration = { CORSRules: [rule] };
  await client.send(new PutBucketCorsCommand({ Bucket: bucket, CORSConfiguration }));
}

function withDeadline(promise, timeoutMs) {
  const deadline = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`not done after ${timeoutMs / 1000} s`)), timeoutMs).unref();
  });
  return Promise.race([promise, deadline]);
}

function firstLine(text) {
  return text.split("\n")[0].replace(/^page\.evaluate: /, "");
}
