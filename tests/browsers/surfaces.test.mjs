// The ways in which files come to a page, in every engine: the web component's, and what the demo page takes.

import assert from "node:assert/strict";
import { inEachEngine, openDemo, stored, until, useSite } from "./harness.mjs";
import { createHash } from "node:crypto";

const stack = useSite({ direct: true });

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

inEachEngine(stack, (engine, test) => {
  for (const way of ["picker", "drop"]) {
    test(`the web component uploads by its ${way}, and the form sends the files' ids`, {}, async (t) => {
      const page = await engine.openPage(t);
      const names = ["one.txt", "two.txt"];
      await page.evaluate((way, names) => app.element(way, names), way, names);
      const { sends } = await until(async () => {
        const state = await page.evaluate(() => app.formState());
        return state.valid && state.sends.length === names.length && state;
      }, "the form may be sent");
      const found = await Promise.all(sends.map((fileId) => stored(stack, page, fileId)));
      const wanted = names.map((name) => sha256(`content of ${name}`));
      assert.deepEqual(found.map((file) => file.sha256).sort(), wanted.sort());
    });
  }

  for (const way of ["drop", "paste"]) {
    const firefox = way === "paste" && "in Firefox no script can make a paste event that has files";
    test(`the demo page takes files by ${way}`, { cannot: { firefox } }, async (t) => {
      const page = await openDemo(stack, t, await engine.browser());
      await page.evaluate((way) => {
        const transfer = new DataTransfer();
        for (const name of ["first.txt", "second.txt"]) transfer.items.add(new File([name], name));
        const init = { bubbles: true, cancelable: true };
        document
          .querySelector("#drop")
          .dispatchEvent(
            way === "drop"
              ? new DragEvent("drop", { ...init, dataTransfer: transfer })
              : new ClipboardEvent("paste", { ...init, clipboardData: transfer }),
          );
      }, way);
      const states = () =>
        page.evaluate(() =>
          Array.from(document.querySelectorAll('[data-testid="upload"]'), (row) => row.dataset.state),
        );
      await until(
        async () => (await states()).filter((state) => state === "available").length === 2,
        "both have arrived",
      );
      assert.deepEqual(await page.evaluate(() => globalThis.problems), []);
    });
  }
});
