import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { noise, useStack } from "./support.mjs";

const stack = useStack();

describe("a listing", () => {
  test("is by time or by name, of one folder or of all, and page after page the same", async () => {
    const client = await stack.guest();
    const files = [
      { name: "report-2.pdf", path: "raw/2026" },
      { name: "report-1.pdf", path: "raw" },
      { name: "Report.pdf", path: "raw" },
      { name: "film.mov", path: "" },
      { name: "report-1.pdf", path: "" },
    ];
    const records = [];
    for (const file of files) records.push(await client.upload(noise(1), file));
    await client.open(noise(1), { name: "report-0.pdf" });

    const listed = async (query) => {
      const whole = await names(client, query, 1000);
      for (const limit of [1, 2]) assert.deepEqual(await names(client, query, limit), whole, query);
      return whole;
    };
    assert.deepEqual(await listed("status=available"), [
      "/report-1.pdf",
      "/film.mov",
      "raw/Report.pdf",
      "raw/report-1.pdf",
      "raw/2026/report-2.pdf",
    ]);
    assert.deepEqual(await listed("name=report-"), [
      "/report-0.pdf",
      "raw/report-1.pdf",
      "/report-1.pdf",
      "raw/2026/report-2.pdf",
    ]);
    assert.deepEqual(await listed("name=&path=raw"), ["raw/Report.pdf", "raw/report-1.pdf"]);
    assert.deepEqual(await listed("path=raw"), ["raw/Report.pdf", "raw/report-1.pdf"]);
    assert.deepEqual(await listed("path=/raw/2026/"), ["raw/2026/report-2.pdf"]);
    assert.deepEqual(await listed("path=&status=available"), ["/report-1.pdf", "/film.mov"]);
    assert.deepEqual(await listed("path=raw&name=report-&status=available"), ["raw/report-1.pdf"]);
    assert.deepEqual(await listed("name=nothing"), []);

    const third = encodeURIComponent(records[2].createdAt);
    const since = await listed(`createdFrom=${third}&status=available`);
    const before = await listed(`createdBefore=${third}&status=available`);
    assert.ok(since.includes("raw/Report.pdf") && !before.includes("raw/Report.pdf"));
    assert.deepEqual([...since, ...before], await listed("status=available"));
    const namedSince = await listed(`createdFrom=${third}&name=r&status=available`);
    assert.ok(namedSince.includes("/report-1.pdf") && !namedSince.includes("raw/2026/report-2.pdf"));
  });

  test("goes on where it was while files come and go", async () => {
    const client = await stack.guest();
    const files = [];
    for (const name of ["a", "b", "c", "d"]) files.push(await client.upload(noise(1), { name }));
    const { nextCursor } = await client.ask("GET", "/v1/files?limit=2");
    await client.upload(noise(1), { name: "e" });
    await client.ask("DELETE", `/v1/files/${files[2].fileId}`); // "c", the last of the first page
    const rest = await client.ask("GET", `/v1/files?limit=9&cursor=${nextCursor}`);
    assert.deepEqual(
      rest.files.map((file) => file.name),
      ["b", "a"],
    );
  });

  test("takes no cursor that it has not given in this order, and no time or name that is none", async () => {
    const client = await stack.guest();
    for (const name of ["a", "b"]) await client.upload(noise(1), { name });
    const { nextCursor: byTime } = await client.ask("GET", "/v1/files?limit=1");
    const { nextCursor: byName } = await client.ask("GET", "/v1/files?limit=1&name=");
    const forged = (place) => Buffer.from(JSON.stringify(place)).toString("base64url");
    for (const query of [
      `cursor=${byName}`,
      `cursor=${byTime}&name=`,
      `cursor=${byTime}x`,
      "cursor=",
      "cursor=17",
      `cursor=${forged({ by: "time", createdAt: "~", seq: 1 })}`,
      `cursor=${forged({ by: "time", createdAt: "2026-11-24T12:00:00.000Z", seq: 2 ** 54 })}`,
      "createdFrom=yesterday",
      "createdBefore=2026-11-24",
      `name=${"x".repeat(256)}`,
      "name=a%2Fb",
      "path=..",
    ]) {
      await client.refused("invalid_request", "GET", `/v1/files?${query}`);
    }
  });
});

/** Folder and name of every file of a listing, read in pages of `limit`. */
async function names(client, query, limit) {
  const listed = [];
  for (let cursor = ""; ;) {
    const page = await client.ask("GET", `/v1/files?${query}&limit=${limit}${cursor}`);
    assert.ok(page.files.length <= limit);
    listed.push(...page.files.map((file) => `${file.path}/${file.name}`));
    if (!page.nextCursor) return listed;
    cursor = `&cursor=${page.nextCursor}`;
  }
}
