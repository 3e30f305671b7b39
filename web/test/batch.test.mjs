// Batches on the page in Chromium: against a real server, whose address is in FAAS_URL, and against scripted answers.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { test } from "node:test";
import { openPage } from "./browser.mjs";
import { answer, sendJson } from "./fake-server.mjs";
import { browser, fake } from "./fixture.mjs";
import { needsServer, url } from "./notebook-page.mjs";

const open = (options) => openPage(browser, `${url}#batch`, options);
const openFake = () => openPage(browser, `${fake.url}#batch`);
const says = (page, text) => page.locator("#batch-status", { hasText: text }).waitFor();
const told = (page) => page.locator("#batch-problem").innerText();
const figures = (page) => page.locator("#batch-figures").innerText();

async function choose(page, text, name = "rows.csv") {
  const file = { name, mimeType: "text/plain", buffer: Buffer.from(text) };
  await page.locator("#rows-file").setInputFiles(file);
}
async function write(page, name, code) {
  await page.getByRole("textbox", { name }).click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(code);
}
async function save(page, format) {
  const [saved] = await Promise.all([
    page.waitForEvent("download"),
    page.locator(`#save-${format}`).click(),
  ]);
  return [saved.suggestedFilename(), fs.readFileSync(await saved.path(), "utf8")];
}

test(
  "by keyboard alone: rows, a trial, all rows, the failed, one in full, and again when it is mended",
  needsServer,
  async () => {
    const page = await open();
    const press = async (id, key = "Enter") => {
      await page.locator(`#${id}`).focus();
      await page.keyboard.press(key);
    };
    await press("example-rows");
    await page.locator("#rows-about", { hasText: "6 rows × 4 columns" }).waitFor();
    assert.equal(await page.getByLabel("Values of count").inputValue(), "number");
    assert.match(
      await page.locator("#batch-input-note").textContent(),
      /input_data: an object with the fields order, price, count, coupon\./,
    );
    await page.locator("#batch-program .cm-content").focus();
    await page.keyboard.press("Control+Enter");
    await says(page, "Row 1 is fine");
    const detail = page.locator("#row-detail");
    assert.ok(await detail.evaluate((it) => it === document.activeElement));
    assert.match(await detail.innerText(), /Trial of row 1: success\s+.*\s+Return value\s+39\.0/s);
    await page.keyboard.press("Escape");
    assert.equal(await detail.isVisible(), false);

    await press("run-batch");
    await says(page, "Done: 5 ok, 1 failed");
    assert.match(await figures(page), /OK\s+5\s+Failed\s+1\s+Left\s+0/);
    await press("show-failed-rows", "Space");
    await page.locator("#rows-shown", { hasText: "1–1 of 1 failed row" }).waitFor();
    await page.getByRole("button", { name: "Show row 4" }).focus();
    await page.keyboard.press("Enter");
    assert.match(await detail.innerText(), /TypeError: unsupported operand/);
    assert.match(await detail.innerText(), /"count": null/);
    await page.keyboard.press("Escape");

    await write(page, "Program for each row", "input_data['count'] is None or total(input_data)");
    await press("run-failed");
    await says(page, "Done: 6 ok, 0 failed");
    await page.locator("#rows-shown", { hasText: "No failed rows" }).waitFor();
    const [name, csv] = await save(page, "csv");
    assert.equal(name, "orders-results.csv");
    const lines = csv.trimEnd().split("\r\n");
    assert.equal(
      lines[0],
      "order,price,count,coupon,row,status,ret_val,stdout,stderr,error,wall_ms",
    );
    assert.match(lines[2], /^A-2,5\.25,10,TEN,2,success,47\.25,,,,\d+$/);
    assert.match(lines[4], /^A-4,3,,TEN,4,success,true,,,,\d+$/);
    assert.equal(lines.length, 7);
    // The set-up's snapshot is not left behind.
    await page.waitForFunction(
      async () => (await (await fetch("snapshots")).json()).snapshots.length === 0,
    );
    assert.deepEqual(page.faults, []);
  },
);

test("many rows go in several requests, and a hundred are shown", needsServer, async () => {
  const page = await open();
  let requests = 0;
  page.on("request", (request) => (requests += request.url().endsWith("/run_batch") ? 1 : 0));
  await page.locator("#batch-language").selectOption("javascript");
  await write(page, "Set-up", "");
  await write(page, "Program for each row", "return_val(input.n === 7777 ? '=1' : input.n * 2)");
  await page.locator("#batch-isolation").selectOption("shared");
  const rows = Array.from({ length: 9000 }, (_, n) => JSON.stringify({ n }));
  await choose(page, rows.join("\n"), "many.jsonl");
  await page.locator("#rows-about", { hasText: "9,000 rows" }).waitFor();
  await page.locator("#run-batch").click();
  await says(page, "Done: 9,000 ok, 0 failed");
  assert.ok(requests > 1, String(requests));
  await page.locator("#rows-shown", { hasText: "1–100 of 9,000 rows" }).waitFor();
  assert.equal(await page.locator("#batch-box tbody tr").count(), 100);
  await page.locator("#rows-last").click();
  await page.locator("#rows-shown", { hasText: "8,901–9,000 of 9,000" }).waitFor();
  await page.locator("#batch-box tbody tr", { hasText: "17998" }).waitFor();
  const [name, jsonl] = await save(page, "jsonl");
  assert.equal(name, "many-results.jsonl");
  const results = jsonl.trimEnd().split("\n").map(JSON.parse);
  assert.deepEqual(
    results.map(({ row, input, ret_val }) => [row, input.n, ret_val]),
    rows.map((_, n) => [n + 1, n, n === 7777 ? "=1" : String(n * 2)]),
  );
  const [, csv] = await save(page, "csv");
  assert.match(csv.split("\r\n")[7778], /^"\{""n"":7777\}",7778,success,'=1,/);
  assert.deepEqual(page.faults, []);
});

test("a stop ends the batch, and the rows that are left run later", needsServer, async () => {
  const page = await open();
  await write(page, "Set-up", "");
  await write(page, "Program for each row", "import time\ntime.sleep(1)\ninput_data['n']");
  await choose(page, `n\n${Array.from({ length: 200 }, (_, n) => n).join("\n")}\n`);
  await page.locator("#run-batch").click();
  await page.locator("#batch-box tbody tr").first().waitFor();
  await page.locator("#batch-stop").click();
  await says(page, "Stopped");
  assert.ok(await page.locator("#run-batch").evaluate((it) => it === document.activeElement));
  const [, part] = await save(page, "jsonl");
  const before = part.trimEnd().split("\n").length;
  assert.ok(before > 0 && before < 200, String(before));
  await page.waitForFunction(async () => {
    const { pool } = await (await fetch("/health")).json();
    return pool.activeInstances === 0;
  });
  await page.locator("#run-left").click();
  await says(page, "Done: 200 ok, 0 failed");
  const [, all] = await save(page, "jsonl");
  const results = all.trimEnd().split("\n").map(JSON.parse);
  assert.deepEqual(
    results.map(({ row, input }) => [row, input.n]),
    Array.from({ length: 200 }, (_, n) => [n + 1, n]),
  );
  assert.deepEqual(page.faults, []);
});

test(
  "what is wrong is told: no rows, a damaged file, a set-up that fails, a first failure",
  needsServer,
  async () => {
    const page = await open();
    await page.locator("#batch-program .cm-content").click();
    await page.keyboard.press("Control+Enter");
    assert.match(await told(page), /^There are no rows\s+Choose a file/);
    await choose(page, 'a,b\n1,2\n"3,4\n');
    await page.locator("#rows-problem:not([hidden])").waitFor();
    assert.equal(
      await page.locator("#rows-problem").textContent(),
      "rows.csv was not taken. Line 3: a quote that opens in this row is not closed.",
    );
    await choose(page, "a\n1\n0\n2\n");
    await page.locator("#rows-about", { hasText: "3 rows" }).waitFor();
    await write(page, "Set-up", "prices = {}\nprices['x']");
    for (const id of ["try-row", "run-batch"]) {
      await page.locator(`#${id}`).click();
      await page
        .locator("#batch-problem", { hasText: "The set-up did not succeed: program failed" })
        .waitFor();
      assert.match(await told(page), /KeyError: 'x'/);
    }
    await write(page, "Set-up", "");
    await write(page, "Program for each row", "1 / input_data['a']");
    await page.locator("#batch-stop-on").selectOption("failure");
    await page.locator("#run-batch").click();
    await says(page, "Stopped: ");
    assert.match(await told(page), /^Rows are left/);
    assert.match(await figures(page), /Failed\s+1/);
  },
);

test("the form stays over a reload, and hostile rows stay text", needsServer, async () => {
  const page = await open();
  const evil = '<img src=x onerror="window.owned=1">';
  await write(page, "Set-up", "");
  await write(page, "Program for each row", "print(input_data['a'])\ninput_data['a']");
  await choose(page, `a\n"${evil.replaceAll('"', '""')}"\n`, `${evil}.csv`);
  await page.locator("#run-batch").click();
  await says(page, "Done: 1 ok");
  await page.getByRole("button", { name: "Show row 1" }).click();
  assert.equal(await page.locator("#batch-view img").count(), 0);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.ok((await page.locator("#detail-parts").innerText()).includes(evil));
  await page.reload();
  await page.locator("#batch-program", { hasText: "print(input_data['a'])" }).waitFor();
  assert.deepEqual(page.faults, []);
});

/** Answers rows as the service does; `lines` of a request say what comes. */
function batchAnswer(response, lines, summary) {
  response.writeHead(200, { "Content-Type": "application/x-ndjson" });
  const all = summary ? [...lines, { summary }] : lines;
  response.end(all.map((line) => `${JSON.stringify(line)}\n`).join(""));
}
const rowsOf = (body) => JSON.parse(body).inputs.map((input, index) => [input, index]);
const okLine = ([input, index]) => ({ index, ...answer({ ret_val: String(input.n) }) });
const twelve = `n\n${Array.from({ length: 12 }, (_, n) => n).join("\n")}\n`;

test("a full server is asked again when it says so, and too large a request is cut", async () => {
  const page = await openFake();
  await write(page, "Set-up", "");
  await choose(page, twelve);
  const sizes = [];
  fake.onRun = (_request, response, body) => {
    const rows = rowsOf(body);
    sizes.push(rows.length);
    if (sizes.length === 1) {
      response.setHeader("Retry-After", "1");
      sendJson(response, 429, { error: "The queue is full", details: "" });
    } else if (rows.length > 4) {
      sendJson(response, 413, { error: "The body is too long", details: "" });
    } else if (rows.length === 1 && rows[0][0].n === 5) {
      sendJson(response, 413, { error: "The body is too long", details: "FAAS_MAX_BODY_BYTES" });
    } else if (rows.some(([{ n }]) => n === 5)) {
      sendJson(response, 413, { error: "The body is too long", details: "" });
    } else {
      batchAnswer(response, rows.map(okLine), {});
    }
  };
  await page.locator("#run-batch").click();
  await page
    .locator("#batch-figures", { hasText: "The queue is full; sent again in 1 s" })
    .waitFor();
  await says(page, "Done: 11 ok, 1 failed");
  assert.deepEqual(sizes.slice(0, 4), [12, 12, 6, 3]);
  const [, jsonl] = await save(page, "jsonl");
  const refused = jsonl
    .trimEnd()
    .split("\n")
    .map(JSON.parse)
    .filter(({ error }) => error);
  assert.deepEqual(refused, [
    {
      row: 6,
      status: "refused",
      error: "The body is too long",
      details: "FAAS_MAX_BODY_BYTES",
      input: { n: 5 },
    },
  ]);
});

test("rows that a cut answer leaves are sent again, and the set-up runs again when it is gone", async () => {
  const page = await openFake();
  await choose(page, twelve);
  const asked = [];
  fake.onRun = (request, response, body) => {
    asked.push(`${request.method} ${request.url}`);
    if (request.method === "DELETE") {
      response.writeHead(204).end();
    } else if (request.url === "/run_code") {
      const done = answer();
      const id = `snap-${asked.length}`;
      done.metadata.snapshot = { id };
      sendJson(response, 200, done);
    } else if (JSON.parse(body).from === "snap-1" && asked.length > 2) {
      sendJson(response, 410, { error: "The snapshot is gone", details: "" });
    } else {
      const rows = rowsOf(body);
      batchAnswer(response, rows.slice(0, 5).map(okLine), rows.length > 5 ? undefined : {});
    }
  };
  await page.locator("#run-batch").click();
  await says(page, "Done: 12 ok, 0 failed");
  await page.waitForFunction(
    () => performance.getEntriesByName(`${location.origin}/snapshots/snap-4`).length,
  );
  assert.deepEqual(asked, [
    "POST /run_code",
    "POST /run_batch",
    "POST /run_batch",
    "POST /run_code",
    "POST /run_batch",
    "POST /run_batch",
    "DELETE /snapshots/snap-4",
  ]);
});

test("what broke off is told, what came is kept, and a token is asked for", async () => {
  const page = await openFake();
  await write(page, "Set-up", "");
  await choose(page, twelve);
  let cut;
  fake.onRun = (_request, response, body) => {
    response.writeHead(200, { "Content-Type": "application/x-ndjson" });
    const [first] = rowsOf(body).map(okLine);
    response.write(`${JSON.stringify(first)}\n{"ind`);
    cut = () => response.destroy();
  };
  await page.locator("#run-batch").click();
  await page.getByRole("button", { name: "Show row 1" }).waitFor();
  cut();
  await says(page, "The connection was lost");
  await page.locator("#batch-figures", { hasText: /Left\s*11/ }).waitFor();
  fake.onRun = (request, response, body) => {
    if (request.headers.authorization !== "Bearer secret") {
      sendJson(response, 401, { error: "A token is needed", details: "" });
    } else {
      batchAnswer(response, rowsOf(body).map(okLine), {});
    }
  };
  await page.locator("#run-left").click();
  await page.locator("#batch-problem input").fill("secret");
  await page.keyboard.press("Enter");
  await page.locator("#run-left").click();
  await says(page, "Done: 12 ok, 0 failed");
});
