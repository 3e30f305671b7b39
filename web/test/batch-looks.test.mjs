// How the batch looks: sizes, colours, and what axe-core finds if AXE names its file.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findFaint, openPage } from "./browser.mjs";
import { axe, browser, findViolations, needsServer, shoot, url } from "./notebook-page.mjs";

for (const colorScheme of ["light", "dark"]) {
  for (const width of [1400, 900, 390, 320]) {
    test(`the batch is legible and fits at ${width} px, ${colorScheme}`, needsServer, async () => {
      const page = await openPage(browser, `${url}#batch`, {
        viewport: { width, height: 900 },
        colorScheme,
      });
      await shoot(page, `batch-empty-${width}-${colorScheme}`);
      await page.locator("#example-rows").click();
      await page.locator("#rows-preview table").waitFor();
      await page.locator("#run-batch").click();
      await page.locator("#batch-status", { hasText: "Done: 5 ok, 1 failed" }).waitFor();
      await page.getByRole("button", { name: "Show row 4" }).click();
      await page.evaluate(() => scrollTo(0, 0));
      await shoot(page, `batch-${width}-${colorScheme}`);
      const sizes = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.deepEqual(sizes, [width, width]);
      assert.deepEqual((await findFaint(page)).faint, {});
      if (axe) assert.deepEqual(await findViolations(page), []);
      await page.locator("#batch-box").scrollIntoViewIfNeeded();
      await shoot(page, `batch-results-${width}-${colorScheme}`);
      assert.deepEqual(page.faults, []);
    });
  }
}
