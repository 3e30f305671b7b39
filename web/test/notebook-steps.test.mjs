// The states of a notebook's session, and what a cell says while it waits and runs, in Chromium against a real server.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  api,
  becomes,
  browser,
  cell,
  listSessions,
  needsPackages,
  needsServer,
  open,
  lists,
  run,
  says,
  stateOf,
  status,
  write,
} from "./notebook-page.mjs";

const dots = (page) =>
  page
    .locator(".cells > .cell")
    .evaluateAll((all) => all.map((it) => !it.querySelector(".kept-dot").hidden));

test(
  "dots mark the cells that can be gone back to, also after a step back and a reload",
  needsServer,
  async () => {
    const page = await open();
    await run(page, ["x = 1", "x = 2", "x = 3", "x = 4"]);
    await page.waitForFunction(
      () => document.querySelectorAll(".kept-dot:not([hidden])").length === 2,
    );
    assert.deepEqual(await dots(page), [false, true, true, false, false]);
    assert.match(await cell(page, 2).getAttribute("aria-label"), /, can be gone back to$/);
    await page.reload();
    await page.waitForFunction(
      () => document.querySelectorAll(".kept-dot:not([hidden])").length === 2,
    );
    assert.deepEqual(await dots(page), [false, true, true, false, false]);
    await page.locator("#step-back").click();
    // What was there before the page was loaded is not known.
    assert.match(
      await page.getByRole("dialog", { name: "Step back to after [3]?" }).innerText(),
      /What changes is not known/,
    );
    await page.locator("#back-go").click();
    await says(page, "Stepped back to after [3]");
    assert.deepEqual(await dots(page), [false, true, false, false, false]);
    assert.deepEqual(page.faults, []);
  },
);

test("the preview knows what cells changed that ran one after the other", needsServer, async () => {
  const page = await open();
  for (const [index, code] of ["x = 1\ny = 'a'", "x = 2\ndel y", "z = [x]"].entries()) {
    if (index > 0) await page.locator("#add-cell").click();
    await write(page, index, code);
  }
  await page.locator("#run-all").click();
  await becomes(page, 2, "ok");
  const preview = async () => {
    await page.locator("#step-back").click();
    const rows = page.locator("#back tr");
    await rows.first().waitFor();
    const told = await rows.evaluateAll((all) => all.map((it) => it.innerText));
    await page.locator("#back-go").click();
    await says(page, "Stepped back");
    return told;
  };
  assert.deepEqual(await preview(), ["z\tgoes\t[2]\t"]);
  await page.waitForFunction(
    () => document.querySelectorAll(".kept-dot:not([hidden])").length === 1,
  );
  assert.deepEqual(await preview(), ["x\tchanges\t2\t→ 1", "y\tcomes back\t\t→ 'a'"]);
});

test("a change of a file is a step of its own, and the preview says so", needsServer, async () => {
  const page = await open();
  await run(page, ["x = 1"]);
  await lists(page, "x");
  const buffer = Buffer.from("a,b");
  await page.locator("#upload").setInputFiles({ name: "a.csv", mimeType: "text/csv", buffer });
  await page.locator("#session-files", { hasText: "a.csv" }).waitFor();
  await page.locator("#step-back").click();
  const preview = page.getByRole("dialog", { name: "Step back to after [1]?" });
  assert.equal(await preview.locator("tr").innerText(), "a.csv\tgoes\t3 bytes\t");
  await page.locator("#back-go").click();
  await says(page, "Stepped back: the last change of a file");
  assert.equal(await stateOf(page, 0), "ok");
  await page.locator("#session-files", { hasText: "No files yet" }).waitFor();
});

test(
  "a running cell tells its time and its limit, which is the one that was set",
  needsServer,
  async () => {
    const page = await open();
    const limits = [];
    page.on("request", (request) => {
      if (request.url().endsWith("/run_code")) limits.push(request.postDataJSON().timeout);
    });
    await page.locator("#cell-limit").fill("50");
    await write(page, 0, "while True: pass");
    await page.keyboard.press("Control+Enter");
    await cell(page, 0)
      .locator(".cell-time", { hasText: /^\d+\.\d s of 50 s$/ })
      .waitFor();
    await page.locator("#interrupt").click();
    await becomes(page, 0, "interrupted");
    await page.locator("#cell-limit").fill("1");
    await write(page, 0, "while True: pass # again");
    await page.keyboard.press("Control+Enter");
    await becomes(page, 0, "rolledBack");
    await page.reload();
    assert.equal(await page.locator("#cell-limit").inputValue(), "1");
    await page.locator("#cell-limit").fill("");
    await write(page, 0, "while True: pass # for long");
    await page.keyboard.press("Control+Enter");
    await cell(page, 0)
      .locator(".cell-time", { hasText: /^\d+\.\d s$/ })
      .waitFor();
    await page.locator("#interrupt").click();
    await becomes(page, 0, "interrupted");
    assert.deepEqual(limits, [50_000, 1000, undefined]);
  },
);

test("a cell that has not begun says that it waits for its turn", needsServer, async () => {
  const page = await open();
  await run(page, ["x = 1"]);
  let go;
  const held = new Promise((resolve) => (go = resolve));
  await page.route("**/run_code", async (route) => {
    await held;
    await route.continue();
  });
  await write(page, 1, "x");
  await page.keyboard.press("Control+Enter");
  await cell(page, 1).locator(".cell-word", { hasText: "Waiting for its turn…" }).waitFor();
  assert.equal(await cell(page, 1).locator(".cell-time").textContent(), "");
  go();
  await becomes(page, 1, "ok");
});

test("a cell that installs says what, and how far it is", needsPackages, async () => {
  const page = await open();
  const words = await page.evaluateHandle(() => {
    const seen = new Set();
    const word = document.querySelector(".cell-word");
    new MutationObserver(() => seen.add(word.textContent)).observe(word, { childList: true });
    return seen;
  });
  await write(page, 0, "%pip install numpy\nimport numpy\nnumpy.ones(2).sum()");
  await page.keyboard.press("Control+Enter");
  await page.waitForFunction(
    () => /^(?:ok|failed)$/.test(document.querySelector(".cell").dataset.state),
    undefined,
    { timeout: 60_000 },
  );
  assert.equal(await stateOf(page, 0), "ok");
  const seen = await words.evaluate((all) => [...all]);
  assert.ok(
    seen.some((one) => one.startsWith("Running")),
    seen.join(),
  );
});

test("a lost fork runs the cells that it shared, too", needsServer, async () => {
  const page = await open({ viewport: { width: 1400, height: 900 } });
  await run(page, ["x = 20", "y = 1"]);
  await page.locator("#fork").click();
  await says(page, "Forked from after [2]");
  await write(page, 0, "x + y");
  await page.keyboard.press("Control+Enter");
  await becomes(page, 0, "ok");
  const fork = (await listSessions()).at(-1);
  await api("DELETE", `sessions/${fork.id}`);
  await page.keyboard.press("Control+Enter");
  await page.locator("#notebook-bar", { hasText: "The session is lost" }).waitFor();
  await page.locator("#notebook-bar button", { hasText: "Run all" }).click();
  await becomes(page, 2, "ok");
  assert.equal(await page.locator(".shared-cells").count(), 0);
  assert.equal(await cell(page, 2).locator(".shown .text").textContent(), "21");
});

test(
  "Fork here, on a cell that was rolled back, forks where it was rolled back to",
  needsServer,
  async () => {
    const page = await open();
    const killed = "x = 2\nimport os\nos._exit(1)";
    await run(page, ["x = 1", killed, "x = 3"], ["ok", "rolledBack", "ok"]);
    await cell(page, 1).getByRole("button", { name: "Fork here" }).click();
    await says(page, "Forked from after [1]");
    await write(page, 0, "x");
    await page.keyboard.press("Control+Enter");
    await becomes(page, 0, "ok");
    assert.equal(await cell(page, 0).locator(".shown .text").textContent(), "1");
  },
);

test(
  "bars stay one line, colours go, and what turns text around is named, in a cell",
  needsServer,
  async () => {
    const page = await open();
    const code = [
      "import sys",
      "for i in range(5): print(f'\\r{i * 25} %', end='', flush=True)",
      "print()",
      "print('\\x1b[31mred\\x1b[0m', '\\u202eabc', file=sys.stderr)",
    ].join("\n");
    await run(page, [code]);
    assert.equal(await cell(page, 0).locator(".output .stdout").textContent(), "100 %\n");
    assert.equal(await cell(page, 0).locator(".output .stderr").textContent(), "red <U+202E>abc\n");
    await page.reload();
    assert.equal(await cell(page, 0).locator(".output .stdout").textContent(), "100 %\n");
  },
);

test("a cell leads to its entry in the history", needsServer, async () => {
  const page = await open();
  await run(page, ["1"]);
  const link = cell(page, 0).getByRole("link", { name: "History of cell 1" });
  const [history] = await Promise.all([browser.contexts()[0].waitForEvent("page"), link.click()]);
  await history.waitForLoadState();
  const entry = JSON.parse(await history.locator("body").innerText());
  assert.equal(entry.task_id, await link.getAttribute("title"));
  assert.match(await status(page), /is done/);
});

test(
  "a wide table that is printed breaks nowhere once wrapping is off, and scrolls",
  needsServer,
  async () => {
    const page = await open({ viewport: { width: 1280, height: 800 } });
    await run(page, ["for row in range(3): print(*(f'{row * i:8}' for i in range(60)))"]);
    const output = cell(page, 0).locator(".output");
    const lines = () =>
      output.evaluate((it) => {
        const range = document.createRange();
        range.selectNodeContents(it);
        return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size;
      });
    assert.ok((await lines()) > 3, "wrapped as it came");
    await page.locator("#wrap-cells").uncheck();
    assert.equal(await lines(), 3);
    const widths = await output.evaluate((it) => [it.scrollWidth > it.clientWidth, innerWidth]);
    assert.deepEqual(widths, [
      true,
      await page.evaluate(() => document.documentElement.scrollWidth),
    ]);
  },
);
