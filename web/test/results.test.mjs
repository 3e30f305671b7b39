// What programs show, in Chromium: tables, HTML, pictures, JSON. The answers are scripted here.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { clickRun, findFaint, openPage } from "./browser.mjs";
import { answer, sendJson, shown, startStream } from "./fake-server.mjs";
import { browser, fake, PIXEL, text } from "./fixture.mjs";

const TABLE = "application/vnd.dataresource+json";
const shots = process.env.SCREENSHOTS;

/** The page after a program that showed these results. */
async function showing(results, more = {}, options = {}) {
  const page = await openPage(browser, fake.url, options);
  fake.onRun = (_request, response) => sendJson(response, 200, answer({ results, ...more }));
  await clickRun(page);
  return page;
}

function tableData(count, total = count) {
  const fields = [
    { name: "index", type: "integer" },
    { name: "city", type: "string" },
    { name: "degrees", type: "number" },
  ];
  const data = Array.from({ length: count }, (_, index) => ({
    index,
    city: `City ${(index * 7) % count}`,
    degrees: index % 5 === 3 ? null : ((index * 37) % count) - 9.5,
  }));
  return { schema: { fields, primaryKey: ["index"] }, data, row_count: total };
}

/** Waits until the HTML of a result is in its frame; the frame. */
async function frameOf(page) {
  const element = page.locator("#shown iframe").last();
  await element.scrollIntoViewIfNeeded();
  const frame = await (await element.elementHandle()).contentFrame();
  await frame.locator("#shown").waitFor({ state: "attached" });
  return frame;
}

test("hostile HTML runs nothing, reaches nothing and leads nowhere", async () => {
  const reached = [];
  const elsewhere = createServer((request, response) => {
    reached.push(request.url);
    response.end();
  });
  await new Promise((listening) => elsewhere.listen(0, "127.0.0.1", listening));
  const out = `http://127.0.0.1:${elsewhere.address().port}/out`;
  const act = `
    for (const whose of [window, parent, top]) { try { whose.owned = 1 } catch {} }
    try { document.cookie = "owned=1" } catch {}
    try { localStorage.owned = 1 } catch {}
    fetch("${out}"); fetch("/run_code", { method: "POST", body: "{}" });
    top.location = "${out}"; open("${out}"); parent.postMessage("owned", "*")`.replaceAll('"', "'");
  const evil = `
    <p onclick="${act}" id="text">text</p>
    <script>${act}</script><script type="module">${act}</script><script src="${out}.js"></script>
    <img src="${out}.png" onerror="${act}"><img src="x" onerror="${act}">
    <svg onload="${act}"><script>${act}</script>
      <a id="drawn"><set attributeName="href" to="${out}"/><text y="20">drawn</text></a>
      <image href="${out}.png"/><use href="${out}.svg#x"/><foreignObject><script>${act}</script></foreignObject>
    </svg>
    <body onload="${act}" onpageshow="${act}"><details open ontoggle="${act}"><summary>more</summary></details>
    <input autofocus onfocus="${act}"><style onload="${act}">@import "${out}.css";
      @font-face { font-family: f; src: url("${out}.woff") } p { font-family: f; background: url("${out}.gif") }</style>
    <meta http-equiv="refresh" content="0; url=${out}"><base href="${out}" target="_top">
    <link rel="stylesheet" href="${out}.css"><link rel="dns-prefetch" href="${out}">
    <link rel="prefetch" href="${out}"><link rel="import" href="${out}">
    <iframe src="${out}"></iframe><iframe srcdoc="<script>${act}</script>"></iframe>
    <iframe src="javascript:${act}"></iframe><object data="${out}"></object><embed src="${out}">
    <a href="javascript:${act}" id="script">script</a> <a href="${out}" target="_top" ping="${out}" id="top">top</a>
    <a href="/health" id="own">own</a> <map name="m"><area href="${out}"></map>
    <form action="${out}" target="_top"><button id="send">send</button>
      <button formaction="javascript:${act}" id="run-form">run</button></form>
    <video src="${out}.mp4" autoplay onerror="${act}"></video><audio src="${out}.mp3" autoplay></audio>
    <math><mtext></mtext><mglyph><style><img src=x onerror="${act}"></style></mglyph></math>
    <noscript><p title="</noscript><img src=x onerror='1'>"></noscript>
    <template shadowrootmode="open"><script>${act}</script></template>`;
  const page = await openPage(browser, fake.url);
  // A browser tells of requests that it does not send, too; the servers know better.
  fake.asked.clear();
  fake.onRun = (_request, response) =>
    sendJson(response, 200, answer({ results: [shown({ "text/html": evil })] }));
  await clickRun(page);
  const frame = await frameOf(page);
  const at = page.url();
  for (const id of ["drawn", "script", "top", "own", "send", "run-form", "text"]) {
    await frame.locator(`#${id}`).click({ force: true });
    await frame.locator(`#${id}`).click({ force: true, button: "middle" });
  }
  await frame.locator("#script").press("Enter");
  // Long enough for what would be loaded or navigated to.
  await page.waitForTimeout(500);
  assert.deepEqual(reached, [], "what another server was asked");
  const asked = [...fake.asked].filter((path) => path !== "/health").sort();
  assert.deepEqual(asked, ["/assets/frame.html", "/run_code"]);
  assert.equal(page.context().pages().length, 1);
  assert.equal(fake.runs.length, 1);
  assert.equal(page.url(), at);
  assert.equal(page.frames().length, 2);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.equal(await frame.evaluate(() => window.owned), undefined);
  const kept = await page.evaluate(() => [document.cookie, ...Object.keys(localStorage)]);
  assert.deepEqual(kept, ["", "faas.mode"]);
  assert.equal(await page.locator("#result script, #result meta, #result form").count(), 0);
  assert.equal(await frame.locator("script, iframe, object, embed, base, meta, link").count(), 3);
  assert.match(await text(page, "shown"), /scripts, which do not run here/);
  elsewhere.close();
});

test("what runs in the frame for HTML has no origin and reaches neither page nor service", async () => {
  const page = await showing([shown({ "text/html": "<p>harmless</p>" })]);
  const frame = await frameOf(page);
  // As if a script of the HTML had found a way to run.
  const seen = await frame.evaluate(async () => {
    const attempt = async (what) => {
      try {
        return String(await what());
      } catch (error) {
        return error.name;
      }
    };
    return {
      origin: self.origin,
      parent: await attempt(() => parent.document.title),
      top: await attempt(() => top.location.href),
      cookie: await attempt(() => document.cookie),
      storage: await attempt(() => localStorage.length),
      session: await attempt(() => sessionStorage.length),
      service: await attempt(() => fetch("/health")),
      elsewhere: await attempt(() => fetch("http://127.0.0.1:9/")),
      opened: await attempt(() => open("/health")),
      script: await attempt(() => {
        const script = document.createElement("script");
        script.textContent = "window.ran = 1";
        document.body.append(script);
        return window.ran;
      }),
    };
  });
  assert.deepEqual(seen, {
    origin: "null",
    parent: "SecurityError",
    top: "SecurityError",
    cookie: "SecurityError",
    storage: "SecurityError",
    session: "SecurityError",
    service: "TypeError",
    elsewhere: "TypeError",
    opened: "null",
    script: "undefined",
  });
});

test("HTML is shown with its styles, as tall as it is up to a limit", async () => {
  const styled =
    '<style>p { height: 211px; margin: 0 }</style><p style="color: rgb(1, 2, 3)">styled</p>';
  const tall = '<div style="height: 90000px">tall</div>';
  const page = await showing([shown({ "text/html": styled }), shown({ "text/html": tall })]);
  const height = (at) =>
    page
      .locator("#shown iframe")
      .nth(at)
      .evaluate((it) => it.getBoundingClientRect().height);
  await frameOf(page);
  await page.waitForFunction(
    () => document.querySelectorAll("#shown iframe")[1].style.height === "600px",
  );
  assert.equal(await height(0), 231);
  const frame = await (await page.locator("#shown iframe").first().elementHandle()).contentFrame();
  const colour = await frame.locator("p").evaluate((it) => getComputedStyle(it).color);
  assert.equal(colour, "rgb(1, 2, 3)");
  assert.equal(await page.locator("#shown iframe").first().getAttribute("title"), "Result 1, HTML");
  assert.deepEqual(page.faults, []);
});

test("HTML is light or dark as the page is", async () => {
  for (const [colorScheme, wanted] of [
    ["light", "rgb(255, 255, 255)"],
    ["dark", "rgb(16, 22, 28)"],
  ]) {
    const page = await showing([shown({ "text/html": "<p>text</p>" })], {}, { colorScheme });
    const frame = await frameOf(page);
    const ground = await frame.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(ground, wanted);
  }
});

test("a table is shown with its types and sorts by a column", async () => {
  const data = { "text/plain": "a table", "text/html": "<table>", [TABLE]: tableData(40, 12_345) };
  const page = await showing([shown(data, true)], { ret_val: "a table" });
  assert.match(await text(page, "shown"), /12,345 rows × 3 columns, the first 40 rows came/);
  assert.equal(await page.locator("#value-part").isVisible(), false, "its text is not shown, too");
  assert.equal(await page.locator("#shown iframe").count(), 0);
  const head = page.locator("#shown thead th").nth(2);
  const sort = page.getByRole("button", { name: "degrees number" });
  const column = () => page.locator("#shown tbody td:last-child").allTextContents();
  const came = await column();
  const numbers = came.filter((cell) => cell !== "null").map(Number);
  const nulls = came.filter((cell) => cell === "null");
  assert.ok(nulls.length > 0);
  const ascending = numbers.toSorted((a, b) => a - b).map(String);
  await sort.press("Enter");
  assert.equal(await head.getAttribute("aria-sort"), "ascending");
  assert.deepEqual(await column(), [...ascending, ...nulls]);
  await sort.click();
  assert.equal(await head.getAttribute("aria-sort"), "descending");
  assert.deepEqual(await column(), [...ascending.toReversed(), ...nulls]);
  await sort.click();
  assert.equal(await head.getAttribute("aria-sort"), "none");
  assert.deepEqual(await column(), came);
  await page.getByRole("button", { name: "city string" }).click();
  assert.equal(await head.getAttribute("aria-sort"), "none");
  assert.equal(await page.locator("#shown tbody td").first().textContent(), "City 0");
  assert.deepEqual(page.faults, []);
});

test("a long table shows a hundred rows at first, and is saved whole", async () => {
  const page = await showing([shown({ [TABLE]: tableData(1000) })]);
  const rows = page.locator("#shown tbody tr");
  assert.equal(await rows.count(), 100);
  await page.getByRole("button", { name: "Show all 1,000 rows" }).click();
  assert.equal(await rows.count(), 1000);
  assert.equal(await page.locator("#shown .table > button").isVisible(), false);
  const focused = () => document.activeElement.closest("tr").rowIndex;
  assert.equal(await page.evaluate(focused), 101, "the focus goes to the first row that is new");
  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save CSV" }).click();
  assert.equal((await saving).suggestedFilename(), "table.csv");
  // The header stays, and the box scrolls, not the page.
  const offset = await page.locator("#shown .table-box").evaluate((box) => {
    box.scrollTop = 5000;
    const top = (element) => element.getBoundingClientRect().top;
    return top(box.querySelector("thead th")) - top(box);
  });
  assert.ok(offset >= 0 && offset < 3, `${offset}`);
});

test("a table of hostile names, values and sizes stays text and is shown in time", async () => {
  const evil = '<img src=x onerror="window.owned=1">\u202eabc';
  const fields = [evil, "__proto__", "constructor", 5].map((name) => ({ name, type: evil }));
  fields.push({ name: "odd", type: { toString: 1 } });
  const row = { [evil]: evil, constructor: { toString: evil } };
  const hostile = { schema: { fields, primaryKey: evil }, data: [row, {}], row_count: "many" };
  const wide = Array.from({ length: 5000 }, (_, index) => `c${index}`);
  const cells = Object.fromEntries(wide.map((name) => [name, "x".repeat(20)]));
  const huge = { schema: { fields: wide.map((name) => ({ name })) }, data: Array(40).fill(cells) };
  const broken = [
    null,
    1,
    [],
    {},
    { schema: {}, data: [] },
    { schema: { fields: [1] }, data: [1] },
    { schema: { fields: [{ name: { toString: 1 } }] }, data: [{}] },
  ];
  const started = Date.now();
  const page = await showing([
    shown({ [TABLE]: hostile }),
    shown({ [TABLE]: huge }),
    ...broken.map((data) => shown({ [TABLE]: data, "text/plain": "as text" })),
  ]);
  assert.ok(Date.now() - started < 15_000, `took ${Date.now() - started} ms`);
  const tables = page.locator("#shown table");
  assert.equal(await tables.count(), 2);
  assert.equal(await page.locator("#shown .text").count(), broken.length);
  const first = await tables
    .first()
    .locator("tbody tr")
    .first()
    .locator("th, td")
    .allTextContents();
  assert.deepEqual(first, [evil, "null", JSON.stringify({ toString: evil }), "null", "null"]);
  assert.equal(await tables.nth(1).locator("thead th").count(), 200);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.equal(await page.locator("#shown img").count(), 0);
  assert.deepEqual(page.faults, []);
});

test("JSON folds, by keyboard as well, and long lists come in pieces", async () => {
  const data = { list: Array.from({ length: 250 }, (_, index) => ({ index })), name: "n" };
  const page = await showing([shown({ "application/json": data, "text/plain": "data" })]);
  const list = page.locator("#shown summary", { hasText: '"list"' });
  assert.match(await list.textContent(), /"list": \[250 items\]/);
  const lines = page.locator("#shown summary", { hasText: "{1 key}" });
  assert.equal(await lines.count(), 0, "what is folded is not there yet");
  await list.focus();
  await page.keyboard.press("Enter");
  await lines.first().waitFor();
  assert.equal(await lines.count(), 100);
  await page.getByRole("button", { name: "Show 100 more items" }).press("Enter");
  assert.equal(await lines.count(), 200);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "100: {1 key}");
  await page.getByRole("button", { name: "Show 50 more items" }).click();
  assert.equal(await lines.count(), 250);
  await lines.last().press("Space");
  await page.locator("#shown .tok-number", { hasText: "249" }).waitFor();
  await list.press("Enter");
  assert.equal(await lines.first().isVisible(), false);
  assert.deepEqual(page.faults, []);
});

test("a return value that is JSON is a tree with all digits, and text on demand", async () => {
  const value = '{"10": 12345678901234567890, "2": [true, null, "<b>"]}';
  const page = await showing([shown({ "text/plain": "{…}" }, true)], { ret_val: value });
  assert.equal(await page.locator("#shown-part").isVisible(), false, "it is shown once");
  const lines = await page.locator("#value-tree li:not(:has(ul))").allTextContents();
  assert.deepEqual(lines, ['"10": 12345678901234567890', "0: true", "1: null", '2: "<b>"']);
  assert.equal(await page.locator("#value").isVisible(), false);
  await page.getByText("text", { exact: true }).last().click();
  assert.equal(await page.locator("#value-tree").isVisible(), false);
  assert.match(await page.locator("#value").innerText(), /^\{\n {2}"10": 12345678901234567890,/);
  fake.onRun = (_request, response) => sendJson(response, 200, answer({ ret_val: "plain" }));
  await clickRun(page);
  assert.equal(await page.locator("#value").innerText(), "plain");
  assert.equal(await page.locator("#value-views").isVisible(), false);
  assert.deepEqual(page.faults, []);
});

test("deep and large JSON is shown in time", async () => {
  let deep = "[]";
  for (let depth = 0; depth < 90; depth++) deep = `{"${"k".repeat(9)}": [${deep}]}`;
  const wide = Object.fromEntries(Array.from({ length: 100_000 }, (_, key) => [`k${key}`, key]));
  const results = [JSON.parse(deep), wide, "s".repeat(1_000_000)];
  const started = Date.now();
  const page = await showing(
    results.map((data) => shown({ "application/json": data })),
    { ret_val: `[${"1,".repeat(400_000)}1]` },
  );
  await page.getByRole("button", { name: "Show all 1,000,000 characters" }).waitFor();
  assert.ok((await page.locator("#result *").count()) < 2500);
  const nested = "[".repeat(100_000) + "]".repeat(100_000);
  fake.onRun = (_request, response) => sendJson(response, 200, answer({ ret_val: nested }));
  await clickRun(page);
  assert.equal((await text(page, "value")).length, 200_000);
  assert.ok(Date.now() - started < 15_000, `took ${Date.now() - started} ms`);
  assert.deepEqual(page.faults, []);
});

test("a plot is shown once, with the button that saves it", async () => {
  const chart = { type: "line", title: "Six walks", elements: [] };
  const plot = { "text/plain": "<Figure>", "image/png": PIXEL, "e2b/chart": chart };
  const file = { name: "figure-1.png", mime: "image/png", size: 70, content_base64: PIXEL };
  const other = { name: "notes.txt", size: 3, content_base64: "YWJj" };
  const page = await openPage(browser, fake.url);
  fake.onRun = (_request, response) => {
    const send = startStream(response);
    send("display", shown(plot));
    send("result", answer({ results: [shown(plot)], artifacts: [file], files: [other] }));
  };
  await clickRun(page);
  assert.equal(await page.locator("#result img").count(), 1);
  assert.equal(await page.locator("#shown img").getAttribute("alt"), "Six walks");
  assert.deepEqual(await page.locator("#shown .file-name").allTextContents(), ["figure-1.png"]);
  assert.deepEqual(await page.locator("#files .file-name").allTextContents(), ["notes.txt"]);
  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save figure-1.png" }).click();
  assert.equal((await saving).suggestedFilename(), "figure-1.png");
  assert.deepEqual(page.faults, []);
});

test("a figure that came as a file only is shown as before", async () => {
  const file = { name: "figure-1.png", mime: "image/png", size: 70, content_base64: PIXEL };
  const page = await showing([], { artifacts: [file] });
  assert.equal(await page.locator("#files img").count(), 1);
  assert.equal(await page.locator("#shown-part").isVisible(), false);
});

test("pictures are images with a text, and SVG is never markup", async () => {
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="parent.owned=1">' +
    "<script>top.owned=1</script><text>\ud800ü</text></svg>";
  const page = await showing([
    shown({ "text/plain": "a drawing", "image/svg+xml": svg }),
    shown({ "text/plain": "a photo", "image/jpeg": PIXEL }),
    shown({ "text/plain": "no picture", "image/png": "%%%" }),
  ]);
  await page.locator("#shown .text", { hasText: "no picture" }).waitFor();
  const images = page.locator("#shown img");
  assert.deepEqual(await images.evaluateAll((all) => all.map(({ alt }) => alt)), [
    "a drawing",
    "a photo",
  ]);
  await page.waitForFunction(() => document.querySelector("#shown img").naturalWidth === 9);
  assert.equal(await page.locator("#result svg").count(), 0);
  assert.equal(await page.evaluate(() => window.owned), undefined);
});

test("each result is shown in the richest way that the page knows", async () => {
  const page = await showing([
    shown({ "text/plain": "1" }),
    shown({ "text/plain": "2", "text/markdown": "*2*" }),
    shown({ "text/plain": "3", "text/latex": "$3$", "application/json": { three: 3 } }),
    shown({ "text/plain": "4", "application/json": {}, "image/png": PIXEL }),
    shown({ "text/plain": "5", "image/png": PIXEL, "text/html": "<b>5</b>" }),
    shown({
      "text/html": "<script>draw()</script>",
      "application/vnd.plotly.v1+json": { data: [] },
    }),
    shown({ "application/pdf": "JVBERg==" }),
  ]);
  const names = await page
    .locator("#shown .shown")
    .evaluateAll((all) => all.map((it) => it.ariaLabel));
  assert.deepEqual(names, [
    "Result 1, text",
    "Result 2, Markdown",
    "Result 3, JSON",
    "Result 4, picture",
    "Result 5, HTML",
    "Result 6, JSON",
    "Result 7, text",
  ]);
  assert.match(await text(page, "shown"), /Nothing that this page can show: application\/pdf/);
  assert.equal(await page.locator("#result [aria-live], #result [role=log]").count(), 0);
  assert.deepEqual(page.faults, []);
});

test("a result is shown while the program runs, and not again at its end", async () => {
  const page = await openPage(browser, fake.url);
  const [first, second] = [
    shown({ "text/plain": "first" }),
    shown({ "text/html": "<b>second</b>" }),
  ];
  const main = shown({ "text/plain": "{'a': 1}" }, true);
  let send;
  fake.onRun = (_request, response) => {
    send = startStream(response);
    send("display", first);
    send("display", second);
  };
  const run = clickRun(page);
  const frame = await frameOf(page);
  await frame.locator("b", { hasText: "second" }).waitFor();
  assert.equal(await text(page, "status"), "Running…");
  await page.locator("#shown iframe").evaluate((it) => (it.dataset.mine = "kept"));
  send("display", main);
  send("result", answer({ results: [first, second, main], ret_val: '{"a": 1}' }));
  await run;
  assert.equal(await page.locator("#shown .shown").count(), 2);
  assert.equal(
    await page.locator("#shown iframe[data-mine=kept]").count(),
    1,
    "it stays as it was",
  );
  assert.equal(await page.locator("#value-tree").innerText(), '{1 key}\n"a": 1');
  assert.deepEqual(page.faults, []);
});

test("what the answer says of results wins over what was streamed", async () => {
  const page = await openPage(browser, fake.url);
  fake.onRun = (_request, response) => {
    const send = startStream(response);
    send("display", shown({ "text/plain": "early" }));
    send("result", answer({ results: [shown({ "text/plain": "late" })] }));
  };
  await clickRun(page);
  assert.deepEqual(await page.locator("#shown .text").allTextContents(), ["late"]);
  fake.onRun = (_request, response) => sendJson(response, 200, answer());
  await clickRun(page);
  assert.equal(await page.locator("#shown-part").isVisible(), false);
});

for (const [name, width] of [
  ["phone", 390],
  ["desktop", 1400],
]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`results fit a ${colorScheme} ${name}`, async () => {
      const page = await showing(
        [
          shown({ [TABLE]: tableData(120) }),
          shown({ "text/html": "<h3>Title</h3><table border=1><tr><td>a<td>b</table>" }),
          shown({ "application/json": { list: [1, "two", null, { deep: ["x".repeat(300)] }] } }),
          shown({ "text/plain": "word ".repeat(100) }),
          shown({ "text/plain": "a picture", "image/png": PIXEL }),
        ],
        { ret_val: '{"a": [1, 2]}' },
        { colorScheme, viewport: { width, height: 844 } },
      );
      await frameOf(page);
      const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.deepEqual(widths, [width, width]);
      const result = await page
        .locator("#result")
        .evaluate((it) => it.scrollWidth - it.clientWidth);
      assert.equal(result, 0);
      assert.deepEqual((await findFaint(page)).faint, {});
      if (shots) {
        await page.locator("#shown-part").scrollIntoViewIfNeeded();
        await page.screenshot({
          path: `${shots}/results-${name}-${colorScheme}.png`,
          fullPage: true,
        });
      }
    });
  }
}

test("a program that waits for its packages says how far they are", async () => {
  const page = await openPage(browser, fake.url);
  let send;
  fake.onRun = (_request, response) => {
    send = startStream(response);
    send("progress", { packages: ["numpy"], stage: "waiting", file: null, files: 0, bytes: 0 });
  };
  const run = clickRun(page);
  const status = (wanted) =>
    page.waitForFunction((it) => document.getElementById("status").textContent === it, wanted);
  await status("Waiting to install numpy…");
  const file = "numpy-2.4.3<b>.whl";
  send("progress", { packages: ["numpy"], stage: "fetching", file, files: 2, bytes: 3_100_000 });
  await status("Installing numpy…");
  const figures = await page.locator("#figures").innerText();
  assert.deepEqual(figures.split(/\s*\n\s*/), [
    "Files",
    "2",
    "Received",
    "3.1 MB",
    "Fetching",
    file,
  ]);
  send("progress", { packages: ["numpy"], stage: "ready", file, files: 3, bytes: 3_200_000 });
  await status("Running…");
  assert.equal(await page.locator("#figures").innerText(), "");
  send("result", answer());
  await run;
  assert.equal(await text(page, "status"), "Success");
  assert.deepEqual(page.faults, []);
});
