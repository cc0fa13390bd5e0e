// Uploads that are in the middle, and how they go on.

import assert from "node:assert/strict";
import { arrives, heldFile, sees, until, upload } from "./harness.mjs";

const MIB = 1024 * 1024;

/** The parts that storage took, each once for every time. */
export const sent = (stack) => stack.proxy.storedPuts.map(({ partNumber }) => partNumber).filter(Boolean);

/** Sees that no part that was `sent` before was sent again. */
export function nothingSentAgain(stack, before) {
  const again = sent(stack).slice(before.length);
  assert.deepEqual(
    again.filter((part) => before.includes(part)),
    [],
    "no stored part is sent again",
  );
}

/** A file whose first two parts are stored, as its page knows, and whose others are held until `letGo`. */
export async function underWay(stack, page, name = "under way.bin") {
  const file = await heldFile(stack, name, 25 * MIB, 2);
  await upload(page, file);
  await sees(page, file.name, "has stored two parts", ({ stored }) => stored >= 2);
  return file;
}

/** Goes on with what an earlier page left, and sees that nothing stored is sent again. */
export async function goOn(stack, page, file) {
  const left = await until(
    async () => (await page.evaluate(() => app.interrupted()))[0],
    "it counts as interrupted",
  );
  assert.equal(left.name, file.name);
  const before = sent(stack);
  file.letGo();
  await page.setFiles("#files", [file.path]);
  await page.evaluate((uploadId, name) => app.continue(uploadId, name), left.uploadId, file.name);
  await arrives(stack, page, file.name, file);
  nothingSentAgain(stack, before);
  assert.deepEqual(await page.evaluate(() => app.interrupted()), []);
}
