// The parts that need no browser.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";
import { bundleOptions } from "../bundle.mjs";

async function load(name) {
  const source = join(import.meta.dirname, "../src", name);
  const built = await build({
    ...bundleOptions,
    entryPoints: [source],
    bundle: true,
    write: false,
  });
  return import(`data:text/javascript,${encodeURIComponent(built.outputFiles[0].text)}`);
}

const { SseParser } = await load("sse.ts");
const { findLocations, failureOf } = await load("links.ts");
const { layOutJson } = await load("json.ts");
const { fromFragment, toFragment } = await load("share.ts");
const { requestBody } = await load("api.ts");
const { formatBytes, formatMs } = await load("format.ts");

test("events are the same however the stream is cut", () => {
  const stream =
    ": comment\n\nevent: stdout\ndata: a\n\n" +
    "event:stderr\r\ndata: b\r\ndata:  c\r\n\r\n" +
    "data: d\r\rid: 1\nevent: nothing\n\ndata\n\nevent: cut\ndata: off";
  const whole = new SseParser().push(stream);
  assert.deepEqual(whole, [
    { event: "stdout", data: "a" },
    { event: "stderr", data: "b\n c" },
    { event: "message", data: "d" },
    { event: "message", data: "" },
  ]);
  for (let size = 1; size < 12; size++) {
    const parser = new SseParser();
    const pieces = [];
    for (let at = 0; at < stream.length; at += size) {
      pieces.push(...parser.push(stream.slice(at, at + size)));
    }
    assert.deepEqual(pieces, whole, `in pieces of ${size}`);
  }
});

test("places in the program are found and nothing is lost", () => {
  const text =
    'x File "<code>", line 12, in f\n    at f (<code>:3:14)\n<code>:7 File "<other>", line 1';
  const pieces = findLocations(text);
  assert.equal(pieces.map((piece) => piece.text).join(""), text);
  assert.deepEqual(
    pieces.flatMap((piece) => piece.location ?? []),
    [{ line: 12 }, { line: 3, column: 14 }, { line: 7 }],
  );
});

test("a flood of places does not become a flood of links", () => {
  const text = "<code>:1\n".repeat(100_000);
  const pieces = findLocations(text);
  assert.ok(pieces.length <= 1001);
  assert.equal(pieces.map((piece) => piece.text).join(""), text);
});

test("the place of a failure is Python's last frame and JavaScript's first", () => {
  const python =
    'Traceback (most recent call last):\n  File "<code>", line 9, in <module>\n    f()\n' +
    '  File "<code>", line 2, in f\n    1 / 0\nZeroDivisionError: division by zero\n';
  assert.deepEqual(failureOf(python, "python"), {
    line: 2,
    message: "ZeroDivisionError: division by zero",
  });
  const stack = "RangeError: empty\n    at pop (<code>:9:13)\n    at <code>:20:5\n";
  assert.deepEqual(failureOf(stack, "javascript"), {
    line: 9,
    column: 13,
    message: "RangeError: empty",
  });
  assert.equal(failureOf("nothing here", "python"), undefined);
});

test("JSON is laid out without a change to its values", () => {
  const number = "12345678901234567890.10";
  const text = `{"a":[],"b":{},"n":${number},"s":"\\"x, {y}: \\u00e9","l":[1,[true,null]]}`;
  const laidOut = layOutJson(text);
  assert.deepEqual(JSON.parse(laidOut), JSON.parse(text));
  assert.ok(laidOut.includes(number));
  assert.equal(laidOut.split("\n")[1], '  "a": [],');
  assert.equal(laidOut, layOutJson(laidOut));
  assert.equal(layOutJson("1e400"), "1e400");
  for (const other of ["", "{", "NaN", "plain text"]) assert.equal(layOutJson(other), undefined);
});

test("a shared program survives the address and a bomb does not", async () => {
  const program = {
    language: "python",
    code: "print('ü🦀')\n".repeat(50),
    input: "{}",
    packages: "",
  };
  const fragment = await toFragment(program);
  assert.match(fragment, /^#code=[\w-]+$/);
  assert.ok(fragment.length < 200);
  assert.deepEqual(await fromFragment(fragment), program);
  for (const other of ["", "#result", "#code=", "#code=!!", `${fragment.slice(0, -9)}`]) {
    assert.equal(await fromFragment(other), undefined);
  }
  const bomb = await toFragment({ language: "python", code: "x".repeat(5_000_000) });
  assert.equal(await fromFragment(bomb), undefined);
});

test("the input goes into the request as it was typed", () => {
  const program = {
    language: "python",
    code: "1",
    packages: [],
    timeout: undefined,
    priority: "normal",
    input: '{"big": 12345678901234567890}',
  };
  assert.equal(
    requestBody(program),
    '{"language":"python","code":"1","priority":"normal","input":{"big": 12345678901234567890}}',
  );
  assert.deepEqual(
    JSON.parse(requestBody({ ...program, input: " ", timeout: 5, packages: ["numpy"] })),
    { language: "python", code: "1", priority: "normal", timeout: 5, packages: ["numpy"] },
  );
});

test("figures are short", () => {
  assert.deepEqual([0, 0.42, 12.4, 999, 1250].map(formatMs), [
    "0",
    "0.4 ms",
    "12 ms",
    "999 ms",
    "1.25 s",
  ]);
  assert.deepEqual([17, 1500, 41_000_000, 999_990].map(formatBytes), [
    "17 B",
    "1.5 kB",
    "41 MB",
    "1.0 MB",
  ]);
});
