// Pages that are not the server's own, in Chromium, against a real server whose address is in FAAS_URL.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";

const url = process.env.FAAS_URL;
const needsServer = { skip: url ? false : "FAAS_URL names no server" };

let browser, elsewhere, other;
before(async () => {
  if (!url) return;
  // A name that leads to the server, as DNS rebinding has it, and another that leads to a page elsewhere.
  browser = await launch(["--host-resolver-rules=MAP *.example 127.0.0.1"]);
  elsewhere = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(`<a href="${url}">try it</a>`);
  });
  await new Promise((listening) => elsewhere.listen(0, "127.0.0.1", listening));
  other = `http://evil.example:${elsewhere.address().port}/`;
});
after(async () => {
  await browser?.close();
  elsewhere?.close();
});

const executions = async () =>
  (await (await fetch(new URL("/health", url))).json()).execution_count;

test("a page on another origin executes nothing", needsServer, async () => {
  const page = await browser.newPage();
  const before = await executions();
  const port = elsewhere.address().port;
  for (const address of [other, `http://127.0.0.1:${port}/`]) {
    await page.goto(address);
    for (const type of ["text/plain", "application/x-www-form-urlencoded"]) {
      const sent = await page.evaluate(
        async ([target, type]) => {
          const body = JSON.stringify({ code: "1" });
          const headers = { "Content-Type": type };
          const request = { method: "POST", mode: "no-cors", headers, body };
          // What CORP keeps from the page looks to it like a broken network.
          const answer = await fetch(target, request).catch((error) => error);
          return answer instanceof Error ? answer.name : answer.type;
        },
        [new URL("/run_code", url).href, type],
      );
      assert.ok(["opaque", "TypeError"].includes(sent), sent);
    }
  }
  assert.equal(await executions(), before);
  await page.close();
});

test("a form on another origin executes nothing", needsServer, async () => {
  const page = await browser.newPage();
  const before = await executions();
  await page.goto(other);
  const answered = page.waitForResponse((response) => response.url().endsWith("/run_code"));
  await page.evaluate((target) => {
    const form = document.createElement("form");
    Object.assign(form, { method: "POST", action: target, enctype: "text/plain" });
    const field = document.createElement("input");
    Object.assign(field, { name: '{"code": "1", "ext": {"a": "', value: '"}}' });
    form.append(field);
    document.body.append(form);
    form.submit();
  }, new URL("/run_code", url).href);
  assert.equal((await answered).status(), 403);
  assert.equal(await executions(), before);
  await page.close();
});

test("a page whose name was made to point here reads nothing", needsServer, async () => {
  const page = await browser.newPage();
  const { port } = new URL(url);
  for (const path of ["", "executions", "health"]) {
    const answer = await page.goto(`http://evil.example:${port}/${path}`);
    assert.equal(answer.status(), 403, path);
  }
  await page.close();
});

test("a link on another site leads to the page, and the page works", needsServer, async () => {
  const page = await browser.newPage();
  await page.goto(other);
  await page.getByRole("link").click();
  await page.locator("#health[data-tone=good]").waitFor();
  assert.equal(page.url(), url);
  await page.close();
});
