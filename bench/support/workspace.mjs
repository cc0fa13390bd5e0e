import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { WebSocket } from "ws";
import { startCoordinator } from "../../stack/coordinator.mjs";

/** A workspace with many files in a coordinator of its own. */
export class Workspace {
  #name = `bench-${randomUUID()}`;

  /**
   * The rows are written into the object's database while the coordinator is down: `size` available files, one of ten in
   * a folder, and the latest `kept` changes.
   */
  static async filled(s3, size, kept) {
    const workspace = new Workspace();
    workspace.folder = await mkdtemp(join(tmpdir(), "syncsphere-bench-"));
    const start = async () => {
      const coordinator = await startCoordinator({
        s3,
        assets: false,
        edge: false,
        durableDir: workspace.folder,
        // Straight into the worker: no deployment has Miniflare's own before it.
        adjust: (options) => ({ ...options, unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] }),
      });
      workspace.url = (await coordinator.runtime.unsafeGetDirectURL()).origin;
      return coordinator;
    };
    let coordinator = await start();
    await workspace.becomeAnother();
    await workspace.announce(1);
    await coordinator.stop();

    const files = await readdir(workspace.folder, { recursive: true });
    const databases = files.filter((name) => name.endsWith(".sqlite") && !name.includes("metadata"));
    if (databases.length !== 1) throw new Error(`one database was expected, not ${databases}`);
    fill(join(workspace.folder, databases[0]), size, kept);
    workspace.seq = Math.max(size, kept);

    coordinator = await start();
    workspace.coordinator = coordinator;
    return workspace;
  }

  /** Goes on as another guest, who has no uploads open: one may have 10,000. */
  async becomeAnother() {
    const form = new URLSearchParams({ grant_type: "urn:syncsphere:guest", workspace: this.#name });
    const reply = await fetch(`${this.url}/v1/auth/token`, { method: "POST", body: form });
    this.token = (await reply.json()).access_token;
  }

  async remove() {
    await this.coordinator.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  async get(path) {
    const reply = await fetch(this.url + path, { headers: { authorization: `Bearer ${this.token}` } });
    if (reply.status !== 200) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
    return reply.json();
  }

  /** Opens uploads that nobody goes on with, all in one request. */
  async announce(count, name = "new file") {
    const files = Array.from({ length: count }, () => ({ clientRef: "f", name, size: 1 }));
    const reply = await fetch(`${this.url}/v1/uploads`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json" },
      body: JSON.stringify({ files }),
    });
    const said = await reply.text();
    if (reply.status !== 200 || said.includes('"error"')) {
      throw new Error(`initiate: ${reply.status} ${said.slice(0, 1000)}`);
    }
  }

  /**
   * Fulfilled with a socket that has been greeted; `hear` is called for every text after that. By `ws`: a thousand of Node's own
   * take this process more time for each change than the coordinator takes to tell it, and it would be that which is measured.
   */
  async listen(since, hear) {
    const url = `${this.url.replace("http", "ws")}/v1/events${since === undefined ? "" : `?since=${since}`}`;
    const options = { perMessageDeflate: false, skipUTF8Validation: true };
    const socket = new WebSocket(url, ["syncsphere.v1", `bearer.${this.token}`], options);
    await new Promise((resolve, reject) => {
      socket.on("error", () => reject(new Error("a listener was refused")));
      socket.on("message", (text) => (text.includes('"type":"hello"') ? resolve() : hear()));
    });
    return socket;
  }
}

/** The first file and its change, which are there, are the pattern of all others. */
function fill(path, size, kept) {
  const database = new DatabaseSync(path);
  const numbers = `WITH RECURSIVE numbers(n) AS (SELECT CAST(? AS INTEGER) UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)`;
  const newest = Math.max(size, kept);
  const oldest = newest - kept + 1;
  database.exec("BEGIN");
  const doc = `json_set(doc, '$.record.fileId', printf('%032x', n), '$.record.name', printf('file %06d', n),
    '$.record.path', CASE WHEN n % 10 = 0 THEN 'folder' ELSE '' END, '$.record.status', 'available',
    '$.record.createdAt', strftime('%Y-%m-%dT%H:%M:%fZ', 1700000000 + n, 'unixepoch'),
    '$.record.seq', n, '$.createdSeq', n)`;
  database
    .prepare(
      `${numbers} INSERT INTO files (id, created_seq, status, doc) SELECT printf('%032x', n), n, 'available', ${doc}
       FROM numbers, (SELECT doc FROM files WHERE created_seq = 1)`,
    )
    .run(2, size);
  database
    .prepare(
      `${numbers} INSERT INTO changes (seq, doc) SELECT n, json_set(doc, '$.seq', n, '$.file.seq', n)
       FROM numbers, (SELECT doc FROM changes WHERE seq = 1)`,
    )
    .run(Math.max(2, oldest), newest);
  if (oldest > 1) database.exec("DELETE FROM changes WHERE seq = 1");
  database.exec("COMMIT");
  database.close();
}
