// The notebook in Chromium against a real server, whose address is in FAAS_URL.

import assert from "node:assert/strict";
import * as fs from "node:fs";
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
  shoot,
  shots,
  stateOf,
  status,
  url,
  write,
} from "./notebook-page.mjs";

test("cells go on from each other, by keyboard alone", needsServer, async () => {
  const page = await open();
  await page.evaluate(() => document.querySelector(".cell").focus());
  await page.keyboard.press("Enter");
  await page.keyboard.insertText("prices = [19.5, 5.5]");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.insertText("print('sum', sum(prices))\nlen(prices)");
  await page.keyboard.press("Control+Enter");
  await becomes(page, 1, "ok");
  assert.equal(await cell(page, 1).locator(".output").textContent(), "sum 25.0\n");
  assert.equal(await cell(page, 1).locator(".shown .text").textContent(), "2");
  assert.equal(await cell(page, 1).locator(".cell-number").textContent(), "[2]");
  assert.equal(await status(page), "Cell [2] is done");
  // On the cell: insert above, back down, delete, bring back.
  await page.keyboard.press("Escape");
  await page.keyboard.press("a");
  await page.keyboard.insertText("# new");
  // The first may close a list of completions.
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".cell").count(), 3);
  assert.match(await cell(page, 1).getAttribute("aria-label"), /^Cell 2, not run yet$/);
  await page.keyboard.press("d");
  await page.keyboard.press("d");
  assert.equal(await page.locator(".cell").count(), 2);
  await page.keyboard.press("z");
  assert.equal(await cell(page, 1).locator(".cm-content").innerText(), "# new");
  await page.keyboard.press("j");
  assert.ok(await cell(page, 2).evaluate((it) => it === document.activeElement));
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  assert.ok(
    await cell(page, 1)
      .locator(".cm-content")
      .evaluate((it) => it === document.activeElement),
  );
  await page.keyboard.press("Alt+Enter");
  assert.equal(await page.locator(".cell").count(), 4);
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  assert.ok(await page.getByRole("dialog", { name: "Keys" }).isVisible());
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog", { name: "Keys" }).isVisible(), false);
  assert.deepEqual(page.faults, []);
});

test(
  "a failure names its cell and line, and links lead to the cell it is in",
  needsServer,
  async () => {
    const page = await open();
    await run(page, ["def f(x):\n    return 1 / x", "print('before')\nf(0)"], ["ok", "failed"]);
    assert.equal(await status(page), "Cell [2] failed: ZeroDivisionError, line 2");
    assert.equal(
      await cell(page, 1).locator(".error-head").textContent(),
      "ZeroDivisionError division by zero",
    );
    assert.equal(await cell(page, 1).locator(".output").first().textContent(), "before\n");
    assert.equal(await cell(page, 1).locator(".cm-lintRange-error").textContent(), "f(0)");
    await cell(page, 1).getByRole("link", { name: 'File "<cell 1>", line 2' }).click();
    const line = cell(page, 0).locator(".cm-activeLine");
    assert.equal((await line.textContent()).trim(), "return 1 / x");
    await page.keyboard.press("End");
    await page.keyboard.insertText(" if x else 0");
    assert.equal(await stateOf(page, 0), "edited");
    await page.keyboard.press("Control+Enter");
    await becomes(page, 0, "ok");
    assert.equal(await cell(page, 0).locator(".cell-number").textContent(), "[3]");
    assert.deepEqual(page.faults, []);
  },
);

test("an interrupt keeps what the cell did so far, and clears the queue", needsServer, async () => {
  const page = await open();
  await run(page, ["x = 1"]);
  await page.keyboard.insertText("x = 2\nwhile True: pass");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.insertText("x");
  await page.keyboard.press("Control+Enter");
  await becomes(page, 1, "running");
  await becomes(page, 2, "queued");
  assert.equal(await cell(page, 2).locator(".cell-word").textContent(), "Queued, 1 ahead");
  await page.keyboard.press("Escape");
  await page.keyboard.press("i");
  await page.keyboard.press("i");
  await becomes(page, 1, "interrupted");
  assert.match(
    await cell(page, 1).locator(".cell-notice").textContent(),
    /Changes so far are kept/,
  );
  assert.equal(await stateOf(page, 2), "new");
  await page.keyboard.press("Control+Enter");
  await becomes(page, 2, "ok");
  assert.equal(await cell(page, 2).locator(".shown .text").textContent(), "2");
});

test(
  "a killed cell keeps its output, is rolled back, and can be forked there",
  needsServer,
  async () => {
    const page = await open();
    const killed = "x = 2\nprint('so far', flush=True)\nimport os\nos._exit(1)";
    await run(page, ["x = 1", killed, "x"], ["ok", "rolledBack", "ok"]);
    assert.equal(await cell(page, 1).locator(".output").textContent(), "so far\n");
    assert.match(
      await cell(page, 1).locator(".cell-notice").textContent(),
      /^Rolled back to after \[1\], files too\. Why: .+Run againFork here$/,
    );
    assert.equal(await cell(page, 2).locator(".shown .text").textContent(), "1");
    await shoot(page, "notebook-rolled-back");
    await cell(page, 1).getByRole("button", { name: "Fork here" }).click();
    await page.getByRole("group", { name: "Fork", exact: true }).waitFor();
    assert.equal(await cell(page, 0).locator(".cm-content").innerText(), killed);
    assert.equal(await page.locator(".shared-cells summary").textContent(), "[1] shared");
  },
);

test(
  "a fork goes on by itself, what differs is marked, and one of both is kept",
  needsServer,
  async () => {
    const page = await open({ viewport: { width: 1400, height: 900 } });
    await run(page, ["x = 1", "x = 2", "x = 3"]);
    await page.keyboard.press("Escape");
    // Fork after the second.
    await page.keyboard.press("k");
    await page.keyboard.press("k");
    await page.keyboard.press("f");
    await says(page, "Forked from after [2]");
    await page.keyboard.press("Enter");
    await page.keyboard.insertText("x *= 50\nx");
    await page.keyboard.press("Control+Enter");
    await becomes(page, 0, "ok");
    assert.equal(await cell(page, 0).locator(".shown .text").textContent(), "100");
    assert.equal(await cell(page, 0).locator(".cell-number").textContent(), "[3′]");
    await page.locator("#variables tr", { hasText: "100" }).locator(".differs").waitFor();
    const boxes = await page
      .locator(".column")
      .evaluateAll((all) =>
        all.map((it) => it.getBoundingClientRect()).map(({ left, width }) => ({ left, width })),
      );
    assert.ok(boxes[1].left >= boxes[0].left + boxes[0].width, "side by side");
    await shoot(page, "notebook-fork");
    // Below 1200 px they are tabs.
    await page.setViewportSize({ width: 1000, height: 900 });
    assert.equal(await page.locator(".column:visible").count(), 1);
    await page.locator("#fork-tabs button", { hasText: "Original" }).click();
    assert.equal(await cell(page, 2).locator(".cell-number").textContent(), "[3]");
    await page.locator("#fork-tabs button", { hasText: "Fork" }).click();
    await page.getByRole("button", { name: "Keep this one: fork" }).click();
    await says(page, "Kept");
    assert.equal(await page.locator(".cell").count(), 3);
    assert.deepEqual(
      await page.locator(".cell").evaluateAll((all) => all.map((it) => it.dataset.state)),
      ["ok", "ok", "ok"],
    );
    await page.waitForFunction(
      async () => (await (await fetch("sessions")).json()).sessions.length === 1,
    );
    assert.deepEqual(page.faults, []);
  },
);

test(
  "a step back takes the last cell away, files too, and a restart all of them",
  needsServer,
  async () => {
    const page = await open();
    await run(page, ["x = 1"]);
    await lists(page, "x");
    await cell(page, 1).locator(".cm-content").click();
    await page.keyboard.insertText("x = 2\nopen('a.txt', 'w').write('a')");
    await page.keyboard.press("Shift+Enter");
    await page.locator("#session-files", { hasText: "a.txt" }).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("u");
    const preview = page.getByRole("dialog", { name: "Step back to after [1]?" });
    assert.deepEqual(
      await preview.locator("tr").evaluateAll((all) => all.map((it) => it.innerText)),
      ["x\tchanges\t2\t→ 1", "a.txt\tgoes\t1 byte\t"],
    );
    await shoot(page, "notebook-step-back");
    // Nothing happens unless it is wanted.
    await page.keyboard.press("Escape");
    assert.equal(await stateOf(page, 1), "ok");
    assert.ok(await cell(page, 2).evaluate((it) => it === document.activeElement));
    await page.keyboard.press("u");
    await preview.waitFor();
    await page.keyboard.press("Enter");
    await says(page, "Stepped back to after [1], files too");
    assert.equal(await stateOf(page, 1), "steppedBack");
    await page.locator("#session-files", { hasText: "No files yet" }).waitFor();
    await write(page, 2, "x");
    await page.keyboard.press("Control+Enter");
    await becomes(page, 2, "ok");
    assert.equal(await cell(page, 2).locator(".shown .text").textContent(), "1");
    await page.locator("#restart").click();
    await says(page, "Restarted");
    assert.equal(await stateOf(page, 2), "steppedBack");
    await page.keyboard.press("Tab");
    await write(page, 2, "'x' in globals()");
    await page.keyboard.press("Control+Enter");
    await becomes(page, 2, "ok");
    assert.equal(await cell(page, 2).locator(".shown .text").textContent(), "False");
  },
);

test("files go in and out, and variables are told", needsServer, async () => {
  const page = await open({ viewport: { width: 1400, height: 900 } });
  await page.locator("#upload").setInputFiles({
    name: "list of prices.csv",
    mimeType: "text/csv",
    buffer: Buffer.from("a,b\n1,2\n"),
  });
  await page.locator("#session-files", { hasText: "list of prices.csv" }).waitFor();
  await run(page, [
    "text = open('list of prices.csv').read()\nopen('copy.csv', 'w').write(text * 2)",
  ]);
  await page.locator("#variables", { hasText: "text" }).waitFor();
  assert.match(await page.locator("#variables").textContent(), /textstr.*'a,b\\n1,2\\n'/);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download copy.csv" }).click(),
  ]);
  assert.equal(fs.readFileSync(await download.path(), "utf8"), "a,b\n1,2\na,b\n1,2\n");
  await page.getByRole("button", { name: "Delete copy.csv" }).click();
  await page.getByRole("button", { name: "Delete copy.csv" }).waitFor({ state: "detached" });
  assert.deepEqual(page.faults, []);
});

test(
  "a session that is gone leaves outputs that are marked, and all can be run again",
  needsServer,
  async () => {
    const page = await open();
    await run(page, ["x = 20", "print(x + 1)"]);
    const [{ id }] = await listSessions();
    await api("DELETE", `sessions/${id}`);
    await write(page, 2, "x + 2");
    await page.keyboard.press("Control+Enter");
    await page.locator("#notebook-bar", { hasText: "The session is lost" }).waitFor();
    assert.equal(await page.locator("#notebook-bar").count(), 1);
    assert.equal(await stateOf(page, 0), "earlier");
    assert.equal(await stateOf(page, 1), "earlier");
    assert.equal(await cell(page, 1).locator(".output").textContent(), "21\n");
    await shoot(page, "notebook-lost");
    page.faults.length = 0; // The browser notes the 410.
    await page.locator("#notebook-bar button", { hasText: "Run all" }).click();
    await becomes(page, 2, "ok");
    assert.equal(await stateOf(page, 0), "ok");
    assert.equal(await cell(page, 2).locator(".shown .text").textContent(), "22");
    assert.equal(await page.locator("#notebook-bar").isVisible(), false);
    assert.deepEqual(page.faults, []);
  },
);

test("a notebook is there after a reload, and goes on in its session", needsServer, async () => {
  const page = await open();
  await run(page, ["x = 20", "print('out')\n1 / 0"], ["ok", "failed"]);
  await write(page, 2, "x + 2");
  await page.reload();
  await page.locator(".cell").nth(2).waitFor();
  await becomes(page, 0, "ok");
  assert.equal(await stateOf(page, 1), "failed");
  assert.equal(await cell(page, 1).locator(".output").first().textContent(), "out\n");
  await cell(page, 2).locator(".cm-content").click();
  await page.keyboard.press("Control+Enter");
  await becomes(page, 2, "ok");
  assert.equal(await cell(page, 2).locator(".shown .text").textContent(), "22");
  assert.deepEqual(page.faults, []);
});

test("a notebook works where storage is denied", needsServer, async () => {
  const context = await browser.newContext();
  await context.addInitScript(() => {
    for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, name, {
        get() {
          throw new DOMException("denied", "SecurityError");
        },
      });
    }
  });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  await page.goto(`${url}#notebook`);
  await run(page, ["6 * 7"]);
  assert.equal(await cell(page, 0).locator(".shown .text").textContent(), "42");
  await page.locator("#to-program").click();
  await page.locator("#run").click();
  await page.locator("#status", { hasText: "Success" }).waitFor();
  assert.deepEqual(faults, []);
});

test("sessions are listed, opened, begun and ended", needsServer, async () => {
  const made = await api("POST", "sessions", '{"name": "mine"}');
  const { id } = await made.json();
  await api("POST", "run_code", JSON.stringify({ session: id, code: "x = 'from elsewhere'" }));
  const page = await open({ viewport: { width: 1400, height: 900 } });
  await run(page, ["x = 'here'"]);
  const named = page.locator("#sessions li", { hasText: "mine" });
  await named.locator(".session-name").click();
  await says(page, "The next cell goes on in that session");
  assert.equal(await stateOf(page, 0), "earlier");
  await write(page, 1, "x");
  await page.keyboard.press("Control+Enter");
  await becomes(page, 1, "ok");
  assert.equal(await cell(page, 1).locator(".shown .text").textContent(), "'from elsewhere'");
  await page.locator("#new-session").click();
  await says(page, "The next cell goes on in a new session");
  await named.getByRole("button", { name: "End session mine" }).click();
  await named.waitFor({ state: "detached" });
  assert.equal((await listSessions()).length, 2);
});

test("JavaScript cells go on from each other", needsServer, async () => {
  const page = await open();
  await page.locator("#notebook-language").selectOption("javascript");
  await run(page, ["let a = 20;", "console.log(a + 1); a.b.c()"], ["ok", "failed"]);
  assert.equal(await cell(page, 1).locator(".output").first().textContent(), "21\n");
  assert.match(await cell(page, 1).locator(".error-head").textContent(), /^TypeError /);
  assert.match(await status(page), /^Cell \[2\] failed: TypeError, line 1$/);
});

test("an example is inserted and replaces nothing", needsServer, async () => {
  const page = await open();
  await run(page, ["mine = 1"]);
  await write(page, 1, "mine_too = 2");
  await page.locator("#notebook-examples").selectOption({ label: "Files" });
  await page.locator("#insert-example").click();
  assert.equal(await page.locator(".cell").count(), 3);
  assert.equal(await cell(page, 1).locator(".cm-content").innerText(), "mine_too = 2");
  await page.keyboard.press("Control+Enter");
  await becomes(page, 2, "ok");
});

test("hostile output in a cell is text, and its HTML is in the frame", needsServer, async () => {
  const page = await open();
  const evil = "<img src=x onerror='top.owned=1'><script>top.owned=1</script><b>shown</b>";
  await run(page, [
    `print(${JSON.stringify(evil)})\ndisplay({"text/html": ${JSON.stringify(evil)}}, raw=True)\n"${"<b>"}"`,
  ]);
  await page.frameLocator(".outputs iframe").locator("b", { hasText: "shown" }).waitFor();
  assert.equal(await page.locator(".outputs :is(script, b, img)").count(), 0);
  assert.equal(await page.evaluate(() => window.owned), undefined);
});

test("a notebook goes out as a file and comes back with its outputs", needsServer, async () => {
  const page = await open();
  await run(
    page,
    ["print('out')\n{'a': 1}", "display({'text/html': '<b>bold</b>'}, raw=True)", "1 / 0"],
    ["ok", "ok", "failed"],
  );
  await page.locator("#add-text").click();
  await page.keyboard.insertText("# Title\nWith **strong** words and <b>none</b>");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".markdown h3").textContent(), "Title");
  assert.equal(await page.locator(".markdown b").count(), 0);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.locator("#save-notebook").click(),
  ]);
  assert.equal(download.suggestedFilename(), "notebook.ipynb");
  const path = await download.path();
  if (shots) fs.copyFileSync(path, `${shots}/notebook.ipynb`);
  const file = JSON.parse(fs.readFileSync(path, "utf8"));
  assert.deepEqual([file.nbformat, file.nbformat_minor], [4, 5]);
  assert.deepEqual(
    file.cells.map((one) => (one.outputs ?? []).map(({ output_type }) => output_type)),
    [["stream", "execute_result"], ["display_data"], ["error"], [], []],
  );
  const other = await open();
  await write(other, 0, "mine");
  await other.locator("#open-file").setInputFiles(path);
  await other.locator(".cell").nth(4).waitFor();
  assert.deepEqual(
    await other.locator(".cell").evaluateAll((all) => all.map((it) => it.dataset.state)),
    ["earlier", "earlier", "earlier", "new", "text"],
  );
  assert.equal(await cell(other, 0).locator(".output").textContent(), "out\n");
  await other.frameLocator(".outputs iframe").locator("b", { hasText: "bold" }).waitFor();
  // What was there is not lost.
  await other.locator("#notebook-bar button", { hasText: "Put back" }).click();
  assert.equal(await cell(other, 0).locator(".cm-content").innerText(), "mine");
  assert.deepEqual(other.faults, []);
});

test(
  "a hostile notebook is refused with a sentence, or shown harmlessly",
  needsServer,
  async () => {
    const page = await open();
    await write(page, 0, "mine");
    const files = {
      "no.ipynb": ["<html>", /not JSON/],
      "old.ipynb": ['{"nbformat": 3, "worksheets": []}', /nbformat 3/],
      "cells.ipynb": ['{"nbformat": 4, "cells": [{"cell_type": "code", "source": 7}]}', /source/],
      "many.ipynb": [JSON.stringify({ nbformat: 4, cells: Array(1001).fill({}) }), /at most 1000/],
    };
    for (const [name, [content, why]] of Object.entries(files)) {
      await page
        .locator("#open-file")
        .setInputFiles({ name, mimeType: "text/plain", buffer: Buffer.from(content) });
      await says(page, `${name} was not opened`);
      assert.match(await status(page), why);
      assert.equal(await cell(page, 0).locator(".cm-content").innerText(), "mine");
    }
    const act = "top.owned=1";
    const output = (data) => ({ output_type: "display_data", data, metadata: {} });
    const evil = {
      nbformat: 4,
      nbformat_minor: 5,
      metadata: { __proto__x: 1 },
      cells: [
        {
          cell_type: "code",
          id: '"><img src=x onerror=top.owned=1>',
          metadata: {},
          execution_count: "<b>1</b>",
          source: "1",
          outputs: [
            output({ "text/html": `<img src=x onerror="${act}"><script>${act}</script><i>in</i>` }),
            output({ "image/svg+xml": `<svg onload="${act}"><script>${act}</script></svg>` }),
            output({ "image/png": '"><script>top.owned=1</script>' }),
            output({ "application/javascript": act }),
            {
              output_type: "error",
              ename: "<b>E</b>",
              evalue: "<img>",
              traceback: [`<script>${act}`],
            },
          ],
        },
        {
          cell_type: "markdown",
          metadata: {},
          source: `[x](javascript:${act}) <img onerror=${act}>`,
        },
      ],
    };
    await page.locator("#open-file").setInputFiles({
      name: "evil.ipynb",
      mimeType: "text/plain",
      buffer: Buffer.from(JSON.stringify(evil)),
    });
    await page.frameLocator(".outputs iframe").locator("i", { hasText: "in" }).waitFor();
    assert.equal(await page.locator("#columns :is(script, i, b, svg)").count(), 0);
    assert.equal(await page.locator(".markdown :is(a, img)").count(), 0);
    assert.equal(await page.evaluate(() => window.owned), undefined);
  },
);

test("pandas and matplotlib show their tables and plots in cells", needsPackages, async () => {
  const page = await open({ viewport: { width: 1400, height: 1000 } });
  const table = "import pandas as pd\npd.DataFrame({'city': ['Oslo', 'Rome'], 'degrees': [4, 19]})";
  const plot =
    "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.title('Three points')\nplt.show()";
  await run(page, [table, plot]);
  assert.equal(await cell(page, 0).locator("table tbody tr").count(), 2);
  assert.equal(await cell(page, 1).locator("img").count(), 1);
  assert.equal(await cell(page, 1).locator("img").getAttribute("alt"), "Three points");
  await shoot(page, "notebook-packages");
});

test("a text cell shows what is no Markdown as it was written", needsServer, async () => {
  const page = await open();
  await page.locator("#add-text").click();
  for (const text of ["# ", "a\n## \nb", "```\n", "- \n1. ", "[".repeat(15_000)]) {
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.insertText(text);
    await page.keyboard.press("Escape");
    const shown = await cell(page, 1).locator(".markdown").textContent();
    assert.equal(shown.replace(/\s|[`-]|1\./g, ""), text.replace(/\s|[`-]|1\./g, ""), text);
    await page.keyboard.press("Enter");
  }
});

test(
  "a fork that is asked for twice is made once, and keeping it can be taken back",
  needsServer,
  async () => {
    const page = await open({ viewport: { width: 1400, height: 900 } });
    await run(page, ["x = 1", "x = 2"]);
    await cell(page, 1).evaluate((it) => it.focus());
    await page.keyboard.press("f");
    await page.keyboard.press("f");
    // What it says of the second may come after what it says of the first.
    await page.locator(".column").nth(1).waitFor();
    assert.equal(await page.locator(".column").count(), 2);
    assert.equal((await listSessions()).length, 2);
    await page.getByRole("button", { name: "Keep this one: fork" }).click();
    await page.getByRole("button", { name: "Put back" }).click();
    assert.equal(await page.locator(".column").count(), 2);
  },
);
