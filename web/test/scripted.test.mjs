// The page in Chromium, against a server whose answers are scripted here.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { clickRun, execute, openPage, runByKeyboard, type } from "./browser.mjs";
import { answer, sendJson, startStream } from "./fake-server.mjs";
import { browser, fake, PIXEL, text } from "./fixture.mjs";

test("output is shown while the program runs, in the order it came", async () => {
  const page = await openPage(browser, fake.url);
  let send;
  fake.onRun = (_request, response) => {
    send = startStream(response);
    send("stdout", { text: "one " });
    send("stderr", { text: "two " });
  };
  const run = clickRun(page);
  await page.locator("#output .stderr", { hasText: "two" }).waitFor();
  assert.equal(await text(page, "status"), "Running…");
  send("stdout", { text: "thr" });
  send("stdout", { text: "ee\n" });
  send(
    "result",
    answer({ stdout: "one three\n", stderr: "two ", ret_val: '{"n":12345678901234567890}' }),
  );
  await run;
  assert.equal(await text(page, "output"), "one two three\n");
  assert.equal(await text(page, "status"), "Success");
  assert.equal(await text(page, "value"), '{\n  "n": 12345678901234567890\n}');
  assert.match(await text(page, "figures"), /Wall3 ms.*CPU2 ms.*Peak memory41 MB.*Exit code0/);
  assert.equal(fake.runs[0].headers.accept, "text/event-stream");
  assert.deepEqual(page.faults, []);
});

test("every status of the API is shown in words", async () => {
  const document = new URL("../../docs/openapi.json", import.meta.url);
  const statuses = JSON.parse(fs.readFileSync(document)).components.schemas.AnswerStatus.enum;
  assert.ok(statuses.includes("storage_limit"));
  const page = await openPage(browser, fake.url);
  for (const status of statuses) {
    fake.onRun = (_request, response) => sendJson(response, 200, answer({ status }));
    await clickRun(page);
    assert.match(await text(page, "status"), /^[A-Z][A-Za-z ]+$/, status);
    const tone = await page.locator("#status").getAttribute("data-tone");
    const warns = ["timeout", "tool_calls"].includes(status) || status.endsWith("_limit");
    assert.equal(tone === "warn", warns, status);
  }
  assert.deepEqual(page.faults, []);
});

test("a plain JSON answer is shown just as well", async () => {
  const page = await openPage(browser, fake.url);
  fake.onRun = (_request, response) =>
    sendJson(response, 200, answer({ stdout: "out\n", stderr: "err\n", ret_val: "plain" }));
  await clickRun(page);
  assert.equal(await text(page, "output"), "out\nerr\n");
  assert.equal(await text(page, "value"), "plain");
  assert.equal(await page.locator("#value-kind").textContent(), "text");
  await page.locator("label[for=show-stderr]").click();
  assert.equal(await page.locator("#output").innerText(), "err\n");
});

test("what the answer says wins over what was streamed", async () => {
  const page = await openPage(browser, fake.url);
  fake.onRun = (_request, response) => {
    const send = startStream(response);
    send("stdout", { text: "early, with a marker" });
    send("result", answer({ stdout: "without it" }));
  };
  await clickRun(page);
  assert.equal(await text(page, "output"), "without it");
});

test("hostile output, values and files stay text", async () => {
  const page = await openPage(browser, fake.url);
  const evil = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>\u202e&lt;';
  fake.onRun = (_request, response) => {
    const send = startStream(response);
    send("stdout", { text: evil });
    send("stderr", { text: `File "<code>", line 1 ${evil}` });
    send(
      "result",
      answer({
        stdout: evil,
        stderr: `File "<code>", line 1 ${evil}`,
        ret_val: JSON.stringify({ [evil]: evil }),
        files: [
          { name: evil, size: 3, content_base64: "YWJj" },
          {
            name: "page.html",
            mime: "text/html",
            content_base64: btoa("<script>owned=1</script>"),
          },
          {
            name: "x.svg",
            content_base64: btoa(
              '<svg xmlns="http://www.w3.org/2000/svg" onload="parent.owned=1"><script>top.owned=1</script></svg>',
            ),
          },
          { name: "pixel", mime: "text/html", content_base64: PIXEL },
          { name: "broken", content_base64: "%%%" },
        ],
      }),
    );
  };
  await clickRun(page);
  await page.waitForTimeout(200);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.equal(await page.locator("#result :is(script, iframe, object, svg)").count(), 0);
  assert.equal(await page.locator("#output img, #value img").count(), 0);
  assert.ok((await text(page, "output")).includes(evil.replace("\u202e", "<U+202E>")));
  assert.equal(await page.locator("#files img").count(), 2);
  assert.equal(await page.locator("#files figure").count(), 5);
  assert.deepEqual(page.faults, []);

  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save page.html" }).click();
  const saved = await saving;
  assert.equal(saved.suggestedFilename(), "page.html");
});

test("a refusal is explained, and a missing token asked for", async () => {
  const page = await openPage(browser, fake.url);
  fake.onRun = (request, response) =>
    request.headers.authorization === "Bearer secret"
      ? sendJson(response, 200, answer({ stdout: "in" }))
      : sendJson(response, 401, { error: "Unauthorized", details: "Send a token" });
  await clickRun(page);
  assert.equal(await text(page, "status"), "Refused (401)");
  assert.equal(await text(page, "problem"), "UnauthorizedSend a token");
  await page.keyboard.type("secret");
  await runByKeyboard(page);
  assert.equal(await text(page, "output"), "in");
  await page.reload();
  assert.equal(await page.locator("#token").inputValue(), "secret");
  await page.locator("#share").click();
  await page.locator("#share-note:not(:empty)").waitFor();
  assert.ok(!page.url().includes("secret"));
});

test("an error in the middle of a stream, and a stream that breaks off", async () => {
  const page = await openPage(browser, fake.url);
  fake.onRun = (_request, response) => {
    const send = startStream(response);
    send("stdout", { text: "before" });
    send("error", { error: "Execution failed", details: "the sandbox is gone" });
    response.end();
  };
  await clickRun(page);
  assert.equal(await text(page, "output"), "before");
  assert.equal(await text(page, "problem"), "Execution failedthe sandbox is gone");
  fake.onRun = (_request, response) => {
    startStream(response)("stdout", { text: "half" });
    setTimeout(() => response.end(), 50);
  };
  await runByKeyboard(page);
  assert.match(await text(page, "problem"), /ended before the result/);
});

test("stop ends the request", async () => {
  const page = await openPage(browser, fake.url);
  const closed = new Promise((resolve) => {
    fake.onRun = (_request, response) => {
      startStream(response)("stdout", { text: "endless" });
      response.on("close", resolve);
    };
  });
  await page.locator("#run").click();
  await page.locator("#output", { hasText: "endless" }).waitFor();
  await execute(page, () => page.locator("#stop").click());
  await closed;
  assert.equal(await text(page, "status"), "Stopped");
  assert.equal(await text(page, "output"), "endless");
  assert.equal(await page.evaluate(() => document.activeElement.id), "run");
});

test("options go into the request, wrong ones are not sent", async () => {
  const page = await openPage(browser, fake.url);
  fake.onRun = (_request, response) => sendJson(response, 200, answer());
  await page.locator("#options summary").click();
  await page.getByRole("textbox", { name: /^Input/ }).click();
  await page.keyboard.insertText("{broken");
  await page.locator("#run").click();
  assert.equal(await text(page, "status"), "Not sent");
  assert.equal(fake.runs.length, 0);
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.insertText('{"k": 1.50}');
  await page.locator("#packages").fill("numpy,  pandas==2.2");
  await page.locator("#timeout").fill("1500");
  await page.locator("#priority").selectOption("high");
  await runByKeyboard(page);
  assert.match(fake.runs[0].body, /"input":\{"k": 1\.50\}\}$/);
  const { code, ...sent } = JSON.parse(fake.runs[0].body);
  assert.deepEqual(sent, {
    language: "python",
    priority: "high",
    timeout: 1500,
    packages: ["numpy", "pandas==2.2"],
    input: { k: 1.5 },
  });
});

test("megabytes of output in thousands of pieces are shown in time", async () => {
  const page = await openPage(browser, fake.url);
  const line = `${"x".repeat(99)}\n`;
  fake.onRun = (_request, response) => {
    const send = startStream(response);
    for (let piece = 0; piece < 20_000; piece++) send("stdout", { text: line });
    send("result", answer({ stdout: line.repeat(20_000) }));
  };
  const started = Date.now();
  await clickRun(page);
  assert.equal((await text(page, "output")).length, 2_000_000);
  assert.ok(Date.now() - started < 15_000, `took ${Date.now() - started} ms`);
  assert.ok((await page.locator("#output span").count()) < 5);
});

test("the pool is watched, but not from a hidden tab", async () => {
  const page = await openPage(browser, fake.url);
  assert.equal(await text(page, "pool-idle"), "7");
  assert.equal(await text(page, "pool-waiting"), "2");
  await page.locator("#pool-chart canvas").waitFor();
  const asked = fake.healthAsked;
  await page.waitForTimeout(2500);
  assert.ok(fake.healthAsked > asked);
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  const before = fake.healthAsked;
  await page.waitForTimeout(2500);
  assert.equal(fake.healthAsked, before);
});

test("a draft survives a reload, and a link brings its program", async () => {
  const page = await openPage(browser, fake.url);
  await page.locator("label[for=language-typescript]").click();
  assert.match(await page.locator("#editor .cm-content").innerText(), /enum Kind/);
  await type(page, "// mine");
  await page.reload();
  assert.equal(await page.locator("#editor .cm-content").innerText(), "// mine");
  assert.ok(await page.locator("#language-typescript").isChecked());
  await page.locator("#share").click();
  await page.locator("#share-note:not(:empty)").waitFor();
  const other = await openPage(browser, page.url());
  assert.equal(await other.locator("#editor .cm-content").innerText(), "// mine");
  assert.equal(fake.runs.length, 0, "a link must not run by itself");
  // Another language keeps what was typed.
  await other.locator("label[for=language-javascript]").click();
  assert.equal(await other.locator("#editor .cm-content").innerText(), "// mine");
});

test("a filter that leaves nothing says so", async () => {
  const page = await openPage(browser, fake.url);
  fake.onRun = (_request, response) => sendJson(response, 200, answer({ stderr: "only here\n" }));
  await clickRun(page);
  await page.locator("label[for=show-stdout]").click();
  const told = () =>
    page.locator("#output").evaluate((it) => getComputedStyle(it, "::before").content);
  assert.equal(await told(), '"Nothing on stdout"');
  await page.locator("label[for=show-stderr]").click();
  assert.equal(await told(), "none");
});

test("bars stay one line, colours go, and what turns text around is named", async () => {
  const page = await openPage(browser, fake.url);
  const stdout = "\r10 %\r50 %\r100 %\n\u001b[32mgreen\u001b[0m \u202eabc\n";
  let send;
  fake.onRun = (_request, response) => {
    send = startStream(response);
    send("stdout", { text: stdout.slice(0, 9) });
  };
  const run = clickRun(page);
  await page.locator("#output", { hasText: "50" }).waitFor();
  send("stdout", { text: stdout.slice(9) });
  send("result", answer({ stdout }));
  await run;
  assert.equal(await text(page, "output"), "100 %\ngreen <U+202E>abc\n");
});

test("files and limits go with a program", async () => {
  const page = await openPage(browser, fake.url);
  fake.onRun = (_request, response) => sendJson(response, 200, answer());
  await page.locator("#options summary").click();
  const file = (name, text) => ({ name, mimeType: "text/plain", buffer: Buffer.from(text) });
  await page.locator("#files-in").setInputFiles([file("a.txt", "a"), file("b.txt", "b")]);
  await page.getByRole("button", { name: "Remove a.txt" }).click();
  await page.locator("#files-in").setInputFiles([file("b.txt", "é")]);
  await page.locator("#cpu-limit").fill("1500");
  await page.locator("#memory-limit").fill("64");
  await page.locator("#options-summary", { hasText: "1500 ms CPU · 64 MiB · 1 file" }).waitFor();
  await clickRun(page);
  const { files, limits } = JSON.parse(fake.runs[0].body);
  assert.deepEqual(files, [{ name: "b.txt", content_base64: btoa("\u00c3\u00a9") }]);
  assert.deepEqual(limits, { cpu_ms: 1500, memory_bytes: 64 * 1024 * 1024 });
  await page.locator("#memory-limit").fill("1");
  await page.locator("#run").click();
  assert.match(await text(page, "problem"), /memory must be a whole number of MiB from 8 on/);
});

test("the request is there as a line for a shell, the answer as it is, without the token", async () => {
  const page = await openPage(browser, fake.url);
  fake.onRun = (_request, response) => sendJson(response, 200, answer({ ret_val: "it's" }));
  await type(page, "print('it''s \\n $HOME')");
  await clickRun(page);
  await page.locator("#exchange summary").click();
  assert.equal(await text(page, "task-id"), "task-1");
  assert.equal(await page.locator("#task-link").getAttribute("href"), "executions/task-1");
  assert.equal(JSON.parse(await text(page, "answer")).output.ret_val, "it's");
  const curl = await text(page, "curl");
  const before = fake.runs.length;
  await promisify(execFile)("bash", ["-c", curl]);
  assert.deepEqual(JSON.parse(fake.runs[before].body), JSON.parse(fake.runs[0].body));
  // A link cannot carry a token, and the line names only where it may be.
  await page.locator("#options summary").click();
  await page.locator("#token").fill("very-secret");
  await clickRun(page);
  assert.equal(await page.locator("#task-link").isVisible(), false);
  assert.match(await text(page, "curl"), / -H "Authorization: Bearer \$FAAS_API_TOKEN" /);
  assert.ok(!(await page.content()).includes("very-secret"));
});

test("an answer that is not the service's is told as that", async () => {
  const page = await openPage(browser, fake.url);
  fake.onRun = (_request, response) => {
    response.writeHead(502, { "Content-Type": "text/html" });
    response.end("<html><h1>502 Bad Gateway</h1></html>");
  };
  await clickRun(page);
  assert.equal(await text(page, "status"), "Refused (502)");
  assert.match(await text(page, "problem"), /not an answer of this service.*proxy/);
});

for (const mode of ["program", "notebook", "batch"]) {
  test(`nothing covers another control of the ${mode}, from 320 to 1400 px`, async () => {
    const page = await openPage(browser, `${fake.url}#${mode}`);
    for (const width of [320, 390, 561, 768, 900, 960, 1024, 1200, 1400]) {
      await page.setViewportSize({ width, height: 1000 });
      const covered = await page.evaluate(() => {
        const all = [...document.querySelectorAll("button, select, label, a, summary, input")];
        return all.flatMap((it) => {
          if (!it.checkVisibility() || it.closest(".unseen, .skip, .cell-actions")) return [];
          const { left, top, width, height } = it.getBoundingClientRect();
          const at = [left + width / 2, top + height / 2];
          const isSeen = width > 2 && at[1] > 0 && at[1] < innerHeight && at[0] < innerWidth;
          if (!isSeen || getComputedStyle(it).opacity === "0") return [];
          const there = document.elementFromPoint(...at);
          const isIt = it.contains(there) || there?.contains(it);
          const isBar = there?.closest(".actions, .notebook-status") !== null;
          return isIt || isBar
            ? []
            : [`${it.id || it.textContent} below ${there?.outerHTML.slice(0, 80)}`];
        });
      });
      assert.deepEqual(covered, [], `${width} px`);
    }
  });
}
