// How the notebook looks: sizes, colours, and what axe-core finds if AXE names its file.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findFaint } from "./browser.mjs";
import {
  axe,
  becomes,
  findViolations,
  needsServer,
  open,
  run,
  shoot,
  shots,
} from "./notebook-page.mjs";

/** Cells in many states. */
async function showStates(page) {
  // The cell that runs is to run until all was looked at.
  await page.evaluate(() => (document.getElementById("cell-limit").value = "3600"));
  const table =
    "import random\nsales = {'north': [12, 30], 'south': [7, 9]}\nprint('two regions')\nsales";
  const html =
    "display({'text/html': '<h4>Sales</h4><table><tr><td>12</td></tr></table>'}, raw=True)";
  await run(page, [table, html, "sales['west']"], ["ok", "ok", "failed"]);
  await page.keyboard.insertText(
    "sales.clear()\nprint('deleting…', flush=True)\nimport os\nos._exit(9)",
  );
  await page.keyboard.press("Shift+Enter");
  await becomes(page, 3, "rolledBack");
  await page.keyboard.insertText("print('working')\nwhile True: pass");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.insertText("len(sales)");
  await page.keyboard.press("Control+Enter");
  await becomes(page, 4, "running");
  await page.waitForTimeout(600);
}

for (const colorScheme of ["light", "dark"]) {
  for (const width of [1400, 900, 390]) {
    test(
      `the notebook is legible and fits at ${width} px, ${colorScheme}`,
      needsServer,
      async () => {
        const page = await open({ viewport: { width, height: 900 }, colorScheme });
        await shoot(page, `notebook-empty-${width}-${colorScheme}`);
        await showStates(page);
        await shoot(page, `notebook-${width}-${colorScheme}`);
        const sizes = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.deepEqual(sizes, [width, width]);
        assert.deepEqual((await findFaint(page)).faint, {});
        if (shots) {
          await page.screenshot({
            path: `${shots}/notebook-${width}-${colorScheme}-whole.png`,
            fullPage: true,
          });
        }
        if (width < 1200) {
          await page.locator("#panes-button").click();
          await page.locator("#variables", { hasText: "sales" }).waitFor();
          await shoot(page, `notebook-panes-${width}-${colorScheme}`);
          assert.deepEqual((await findFaint(page)).faint, {});
          await page.keyboard.press("Escape");
          assert.equal(await page.locator("#panes").isVisible(), false);
          assert.ok(
            await page.locator("#panes-button").evaluate((it) => it === document.activeElement),
          );
        }
        if (axe) assert.deepEqual(await findViolations(page), []);
        await page.locator("#interrupt").click();
        await becomes(page, 4, "interrupted");
        assert.deepEqual(page.faults, []);
      },
    );
  }
}

test(
  "the notebook fits into 320 px, and with forced colours states still differ",
  needsServer,
  async () => {
    const page = await open({ viewport: { width: 320, height: 700 }, forcedColors: "active" });
    await run(page, ["1", "1 / 0"], ["ok", "failed"]);
    const sizes = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.deepEqual(sizes, [320, 320]);
    assert.deepEqual(
      await page.locator(".cell-word").evaluateAll((all) => all.map((it) => it.textContent)),
      ["OK", "Failed", "Not run yet"],
    );
    await shoot(page, "notebook-320");
  },
);
