// The page in Chromium against a real server, whose address is in FAAS_URL.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { clickRun, execute, findFaint, launch, openPage, runByKeyboard, type } from "./browser.mjs";

const url = process.env.FAAS_URL;
const shots = process.env.SCREENSHOTS;
const needsServer = { skip: url ? false : "FAAS_URL names no server" };
const needsPackages = {
  skip: url && process.env.HAS_PACKAGES ? false : "the server has no packages to test with",
};

let browser;
before(async () => {
  browser = url && (await launch());
});
after(() => browser?.close());
afterEach(async () => {
  for (const context of browser?.contexts() ?? []) await context.close();
});

const text = (page, id) => page.locator(`#${id}`).textContent();

async function shoot(page, name) {
  if (shots) await page.screenshot({ path: `${shots}/page-${name}.png` });
}

test("a program runs with Ctrl-Enter", needsServer, async () => {
  const page = await openPage(browser, url);
  await type(
    page,
    "import sys\nprint('sum', sum(range(10)))\nprint('oops', file=sys.stderr)\n{'a': [1, 2]}",
  );
  await runByKeyboard(page);
  assert.equal(await text(page, "status"), "Success");
  assert.equal(await page.locator("#output .stdout").textContent(), "sum 45\n");
  assert.equal(await page.locator("#output .stderr").textContent(), "oops\n");
  assert.deepEqual(JSON.parse(await text(page, "value")), { a: [1, 2] });
  assert.equal(await text(page, "latency-count"), "1");
  assert.deepEqual(page.faults, []);
});

test("a line in a traceback leads to the editor", needsServer, async () => {
  const page = await openPage(browser, url);
  const code = `${"x = 0\n".repeat(60)}def f():\n    return 1 / x\n\nf()\n`;
  await type(page, code);
  await runByKeyboard(page);
  assert.equal(await text(page, "status"), "Program failed");
  const link = page.locator("#output a", { hasText: "line 62" });
  assert.equal(await link.textContent(), 'File "<code>", line 62');
  await link.click();
  const line = page.locator("#editor .cm-activeLine");
  assert.equal((await line.textContent()).trim(), "return 1 / x");
  assert.ok(await line.isVisible());
  assert.ok(
    await page.locator("#editor .cm-content").evaluate((it) => it === document.activeElement),
  );
  assert.equal(await page.locator("#editor .cm-lintRange-error").textContent(), "return 1 / x");
  assert.ok(page.url().endsWith("/#program"), "the address must stay as it is");
});

test("hostile output is text", needsServer, async () => {
  const page = await openPage(browser, url);
  await type(page, `print("<img src=x onerror=owned=1><script>owned=1</script>"); "<b>bold</b>"`);
  await runByKeyboard(page);
  assert.equal(await page.locator("#output img, #output script, #value b").count(), 0);
  assert.match(await text(page, "output"), /^<img src=x/);
  assert.equal(await text(page, "value"), "<b>bold</b>");
  assert.equal(await page.evaluate(() => window.owned), undefined);
});

test("stop frees the sandbox", needsServer, async () => {
  const page = await openPage(browser, url);
  await type(page, "while True: pass");
  await page.keyboard.press("ControlOrMeta+Enter");
  await page.locator("#status[data-tone=busy]").waitFor();
  await execute(page, () => page.locator("#stop").click());
  assert.equal(await text(page, "status"), "Stopped");
  await page.waitForFunction(async () => {
    const { pool } = await (await fetch("/health")).json();
    return pool.activeInstances === 0;
  });
});

const outcomes = {
  Python: {
    Hello: "Success",
    "JSON evaluator": "Success",
    "Top-level await, streaming": "Success",
    "Exception with traceback": "Program failed",
    "Random and statistics": "Success",
    "Results: HTML and data": "Success",
    Files: "Success",
  },
  JavaScript: {
    Hello: "Success",
    "JSON evaluator": "Success",
    "Top-level await, streaming": "Success",
    "Error with stack": "Program failed",
  },
  TypeScript: { "Types and generics": "Success", Simulation: "Success" },
};

for (const [language, wanted] of Object.entries(outcomes)) {
  test(`every example in ${language} does what it is there for`, needsServer, async () => {
    const page = await openPage(browser, url);
    await page.locator(`label[for=language-${language.toLowerCase()}]`).click();
    const titles = await page.locator("#examples option").allTextContents();
    const seen = {};
    for (const title of titles.slice(1)) {
      if (/^(Plot|Table) with/.test(title)) continue; // need packages
      await page.locator("#examples").selectOption({ label: title });
      await clickRun(page);
      seen[title] = await text(page, "status");
      await shoot(page, `example-${language}-${title.replaceAll(/\W/g, "")}`);
    }
    assert.deepEqual(seen, wanted);
  });
}

test("a place in a JavaScript stack leads to the editor", needsServer, async () => {
  const page = await openPage(browser, url);
  await page.locator("label[for=language-javascript]").click();
  await page.locator("#examples").selectOption({ label: "Error with stack" });
  await clickRun(page);
  await page.locator("#output a").first().click();
  const line = await page.locator("#editor .cm-activeLine").textContent();
  assert.equal(line.trim(), 'throw new RangeError("the stack is empty");');
  assert.ok((await page.locator("#editor .cm-lintRange-error").count()) > 0);
});

test("files that a program leaves are shown", needsServer, async () => {
  const page = await openPage(browser, url);
  await page.locator("#examples").selectOption({ label: "Files" });
  await clickRun(page);
  assert.deepEqual(await page.locator("#files .file-name").allTextContents(), [
    "wave.svg",
    "waves.csv",
  ]);
  const picture = page.locator("#files img");
  await page.waitForFunction(() => document.querySelector("#files img").naturalWidth > 0);
  assert.equal(await picture.count(), 1);
});

/** The names of the results, as a screen reader says them. */
const results = (page) =>
  page.locator("#shown .shown").evaluateAll((all) => all.map((it) => it.ariaLabel));

test("what a program displays is shown, HTML in its frame", needsServer, async () => {
  const page = await openPage(browser, url);
  await page.locator("#examples").selectOption({ label: "Results: HTML and data" });
  await clickRun(page);
  assert.deepEqual(await results(page), ["Result 1, HTML", "Result 2, picture"]);
  const frame = page.frameLocator("#shown iframe");
  await frame.locator("caption", { hasText: "Area in km²" }).waitFor();
  await page.waitForFunction(() => document.querySelector("#shown img").naturalWidth > 0);
  assert.match(await text(page, "value-tree"), /"areas": \[3 items\]/);
  await shoot(page, "display");
  assert.deepEqual(page.faults, []);
});

test("HTML of a program that is hostile runs nothing in the page", needsServer, async () => {
  const page = await openPage(browser, url);
  const evil = "<img src=x onerror='parent.owned=1'><script>top.owned=1</script><b>shown</b>";
  await type(page, `display({"text/html": ${JSON.stringify(evil)}}, raw=True)`);
  await runByKeyboard(page);
  await page.frameLocator("#shown iframe").locator("b", { hasText: "shown" }).waitFor();
  assert.equal(await page.frameLocator("#shown iframe").locator("#shown script").count(), 0);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.equal(await page.locator("#result :is(script, b)").count(), 0);
});

test("a result is shown before the program ends", needsServer, async () => {
  const page = await openPage(browser, url);
  await type(page, "display('early')\nwhile True: pass");
  await page.keyboard.press("ControlOrMeta+Enter");
  await page.locator("#shown .text", { hasText: "early" }).waitFor();
  assert.equal(await text(page, "status"), "Running…");
  await execute(page, () => page.locator("#stop").click());
  assert.deepEqual(await results(page), ["Result 1, text"]);
});

test("a table of pandas sorts, and its text is not shown, too", needsPackages, async () => {
  const page = await openPage(browser, url);
  await page.locator("#examples").selectOption({ label: "Table with pandas" });
  await clickRun(page);
  assert.equal(await text(page, "status"), "Success");
  assert.deepEqual(await results(page), ["Result 1, table", "Result 2, table"]);
  assert.equal(await page.locator("#value-part").isVisible(), false);
  const table = page.locator("#shown .table").last();
  await table.getByRole("button", { name: "degrees number" }).click();
  const degrees = (await table.locator("tbody td:nth-child(4)").allTextContents()).map(Number);
  assert.equal(degrees.length, 100);
  assert.deepEqual(
    degrees,
    degrees.toSorted((a, b) => a - b),
  );
  await table.getByRole("button", { name: "Show all 300 rows" }).click();
  assert.equal(await table.locator("tbody tr").count(), 300);
  await shoot(page, "table");
  assert.deepEqual(page.faults, []);
});

test("a plot of matplotlib is shown once, with its title", needsPackages, async () => {
  const page = await openPage(browser, url);
  await page.locator("#examples").selectOption({ label: "Plot with matplotlib" });
  await clickRun(page);
  assert.equal(await text(page, "status"), "Success");
  assert.equal(await page.locator("#result img").count(), 1);
  assert.equal(await page.locator("#shown img").getAttribute("alt"), "Six random walks");
  assert.deepEqual(await page.locator("#shown .file-name").allTextContents(), ["figure-1.png"]);
  assert.equal(await page.locator("#files-part").isVisible(), false);
  await shoot(page, "plot");
  assert.deepEqual(page.faults, []);
});

test("the keyboard reaches everything in order", needsServer, async () => {
  const page = await openPage(browser, url);
  const order = [];
  for (let step = 0; step < 40; step++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const it = document.activeElement;
      return it === document.body ? "" : it.id || it.className || it.tagName;
    });
    if (at === "") break;
    order.push(at.includes("cm-content") ? "editor" : at);
    if (at.includes("cm-content")) await page.keyboard.press("Escape");
  }
  const links = ["to-notebook", "to-program", "to-batch", "share"];
  const wanted = ["skip of-program", ...links, "language-python", "examples", "run", "editor"];
  assert.deepEqual(order.slice(0, wanted.length), wanted);
  assert.ok(order.includes("output"));
  assert.deepEqual(
    await page
      .locator("button, input, select")
      .evaluateAll((all) =>
        all
          .filter((it) => !it.labels?.length && !it.ariaLabel && !it.textContent.trim())
          .map((it) => it.id),
      ),
    [],
    "controls without a name",
  );
});

test("a phone shows everything without scrolling sideways", needsServer, async () => {
  const page = await openPage(browser, url, {
    viewport: { width: 360, height: 740 },
    deviceScaleFactor: 2,
    isMobile: true,
    hasTouch: true,
  });
  await page.getByRole("radio", { name: "Python" }).waitFor({ state: "attached" });
  await page.locator("#examples").selectOption({ label: "Exception with traceback" });
  await execute(page, () => page.locator("#run").tap());
  await page.locator("#options summary").tap();
  const sizes = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.deepEqual(sizes, [360, 360]);
  assert.ok(await page.locator("#run").isVisible());
  await shoot(page, "phone-options");
  await page.locator("#options summary").tap();
  await page.evaluate(() => scrollTo(0, 0));
  await shoot(page, "phone");
  await page.locator("#result").scrollIntoViewIfNeeded();
  await page.locator("#output a").last().scrollIntoViewIfNeeded();
  await shoot(page, "phone-result");
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await shoot(page, "phone-end");
});

for (const colorScheme of ["light", "dark"]) {
  test(`${colorScheme} mode has colours that can be read`, needsServer, async () => {
    const page = await openPage(browser, url, { colorScheme });
    await shoot(page, `desktop-${colorScheme}-start`);
    await page.locator("#examples").selectOption({ label: "JSON evaluator" });
    for (let run = 0; run < 12; run++) {
      await clickRun(page);
    }
    await page.waitForTimeout(2200);
    await shoot(page, `desktop-${colorScheme}`);
    await page.locator("#examples").selectOption({ label: "Exception with traceback" });
    await clickRun(page);
    await shoot(page, `desktop-${colorScheme}-error`);
    const seen = await findFaint(page);
    assert.equal(seen.isDark, colorScheme === "dark");
    assert.deepEqual(seen.faint, {});
    assert.deepEqual(page.faults, []);
  });
}
