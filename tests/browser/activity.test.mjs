// What the engine says of itself: where parts stand, and what it does, to those who listen and to nobody else.

import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { until, useStack } from "./harness.mjs";
import { openPackage } from "./package-page.mjs";

const MIB = 1024 * 1024;

const stack = useStack();

beforeEach(() => stack.proxy.behave());

test("a map of parts goes from waiting over in flight to done, and late ones are seen to be overtaken", async (t) => {
  const page = await openPackage(stack, t);
  // The first request for one part never ends, and the one that overtakes it only once that was seen.
  let end;
  const ended = new Promise((resolve) => (end = resolve));
  let overtake;
  const overtaking = new Promise((resolve) => (overtake = resolve));
  t.after(() => end());
  t.after(() => overtake());
  stack.proxy.interfere(({ method, partNumber, attempt }) =>
    method === "PUT" && partNumber === 3
      ? { kind: "hold", until: attempt === 1 ? ended : overtaking }
      : undefined,
  );
  stack.proxy.shape({ total: 40 * MIB });
  await page.evaluate(() => {
    globalThis.told = { parts: [], activity: [] };
    globalThis.finished = (async () => {
      const uploader = await makeUploader();
      uploader.addEventListener("activity", ({ detail }) => told.activity.push(detail));
      const task = uploader.upload(new File([new Uint8Array(62 * 1024 * 1024)], "map.bin"));
      const began = performance.now();
      task.addEventListener("parts", ({ detail: { partSize, states } }) =>
        told.parts.push({ partSize, states: Array.from(states), state: task.state }),
      );
      const { status } = await task.done;
      const seconds = (performance.now() - began) / 1000;
      // The last word on a quiet engine comes with the next look.
      while (told.activity.at(-1).inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 20));
      await uploader.close();
      return { status, seconds };
    })();
  });
  const seen = (look) => page.evaluate(look);
  await until(
    () => seen(() => told.parts.some(({ states }) => states.includes(2))),
    "part 3 is overtaken",
    60_000,
  );
  overtake();
  const { status, seconds } = await page.evaluate(() => finished);
  const { parts, activity } = await page.evaluate(() => told);

  assert.equal(status, "available");
  assert.ok(parts.every(({ partSize, states }) => partSize === 5 * MIB && states.length === 13));
  assert.ok(parts[0].states.includes(0), "it begins with parts that wait");
  assert.deepEqual(
    [...new Set(parts.flatMap(({ states }) => states))].sort(),
    [0, 1, 2, 3],
    "each state is seen",
  );
  assert.equal(
    parts.find(({ states }) => states.includes(2)).states[2],
    2,
    "it is the third that is overtaken",
  );
  const last = parts.at(-1);
  assert.deepEqual(last.states, Array(13).fill(3));
  assert.notEqual(last.state, "available", "the last comes before the end");
  for (const told of [parts, activity]) {
    assert.ok(told.length <= 4 * seconds + 6, `${told.length} in ${seconds} s`);
  }
  const most = (figure) => Math.max(...activity.map((one) => one[figure]));
  assert.ok(most("inFlight") > 1 && most("waiting") > 0 && most("rate") > 0, JSON.stringify(activity));
  assert.ok(most("window") > 1 && most("hedges") > 0, JSON.stringify(activity));
  assert.equal(activity.at(-1).inFlight, 0);
});

test("a retried part is counted, and a file of one request has one part", async (t) => {
  const page = await openPackage(stack, t);
  stack.proxy.interfere(({ method, attempt }) =>
    method === "POST" && attempt === 1 ? { kind: "answer", status: 503 } : undefined,
  );
  const outcome = await page.evaluate(async () => {
    const uploader = await makeUploader();
    const activity = [];
    const parts = [];
    uploader.addEventListener("activity", ({ detail }) => activity.push(detail));
    const task = uploader.upload(new Blob(["a"]));
    task.addEventListener("parts", ({ detail }) => parts.push(...detail.states));
    await task.done;
    while (!activity.some(({ retries }) => retries === 1))
      await new Promise((resolve) => setTimeout(resolve, 20));
    await uploader.close();
    return parts;
  });
  // Which of its states are seen is a matter of speed.
  assert.ok(
    outcome.every((state) => [0, 1, 3].includes(state)),
    `${outcome}`,
  );
});

test("nothing is said of parts and activity to a page where nobody listens", async (t) => {
  const page = await openPackage(stack, t);
  stack.proxy.shape({ total: 24 * MIB });
  const outcome = await page.evaluate(async () => {
    const types = [];
    const createWorker = () => {
      const worker = new Worker("/uploader/worker.js", { type: "module" });
      worker.addEventListener("message", ({ data }) => types.push(data.type));
      return worker;
    };
    const uploader = await makeUploader({ createWorker });
    const file = (mib) => new File([new Uint8Array(mib * 1024 * 1024)], "quiet.bin");
    const said = () => types.filter((type) => type === "parts" || type === "activity").length;
    await uploader.upload(file(24)).done;
    const unheard = said();

    // Each leaves in its own way.
    const end = new AbortController();
    const listener = () => {};
    uploader.addEventListener("activity", listener);
    uploader.addEventListener("activity", listener);
    const task = uploader.upload(file(48));
    task.addEventListener("parts", listener, { signal: end.signal });
    task.addEventListener("parts", () => {}, { once: true });
    await loads(task, 8 * 1024 * 1024);
    const heard = said();
    uploader.removeEventListener("activity", listener);
    end.abort();
    // The order to stop is heard before the one that comes after it.
    await uploader.interrupted();
    const left = said();
    await task.done;
    const after = said();
    await uploader.close();
    return { unheard, heard: heard > 0, more: after - left };
  });
  assert.deepEqual(outcome, { unheard: 0, heard: true, more: 0 });
});
