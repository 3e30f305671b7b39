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
const { Digits, layOutJson, readJson } = await load("json.ts");
const { readTable, sortRows, toCsv } = await load("tabledata.ts");
const { CsvParser, csvLine, delimiterOf } = await load("csv.ts");
const { inputOf, readRows, survey } = await load("batch/rows.ts");
const { ResultStore } = await load("batch/store.ts");
const { fromFragment, toFragment } = await load("share.ts");
const { requestBody } = await load("api.ts");
const { readNotebook, writeNotebook } = await load("notebook/ipynb.ts");
const { splitError } = await load("notebook/model.ts");
const { Terminal } = await load("terminal.ts");
const { Heads } = await load("notebook/heads.ts");
const { formatBytes, formatLong, formatMs } = await load("format.ts");

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

test("JSON that nests too deep to be read is not laid out", () => {
  const nested = (depth) => "[".repeat(depth) + "]".repeat(depth);
  assert.equal(layOutJson(nested(100_000)), undefined);
  assert.equal(layOutJson(nested(300)).split("\n").length, 599);
});

test("JSON is read with all digits and in the order of its keys", () => {
  const text =
    '{"b": 12345678901234567890.10, "1": [], "0": {"s": "\\"}, {", "e": ""}, "n": [null, -1e400, true]}';
  const plainly = (value) => {
    if (value instanceof Digits) return value.text;
    if (value instanceof Map) return [...value].map(([key, inner]) => [key, plainly(inner)]);
    return Array.isArray(value) ? value.map(plainly) : value;
  };
  assert.deepEqual(plainly(readJson(text)), [
    ["b", "12345678901234567890.10"],
    ["1", []],
    [
      "0",
      [
        ["s", '"}, {'],
        ["e", ""],
      ],
    ],
    ["n", [null, "-1e400", true]],
  ]);
  assert.equal(plainly(readJson('"text"')), "text");
  const depth = 200_000;
  readJson("[".repeat(depth) + "]".repeat(depth));
});

test("rows sort by numbers and texts, nulls last either way, and the rest stays in order", () => {
  const rows = [3, null, "b", 10, undefined, "a", 3, -1].map((value, at) => ({ value, at }));
  const sorted = (descending) => {
    const order = { column: "value", descending };
    return sortRows(rows, order).map(({ at }) => at);
  };
  assert.deepEqual(sorted(false), [7, 0, 6, 3, 5, 2, 1, 4]);
  assert.deepEqual(sorted(true), [2, 5, 3, 0, 6, 7, 1, 4]);
  assert.deepEqual(
    sortRows([{}, {}], { column: "__proto__", descending: false }).length,
    2,
    "a column that every object seems to have",
  );
});

test("a table becomes CSV that says the same", () => {
  const table = readTable({
    schema: { fields: [{ name: "a,b" }, { name: 1 }], primaryKey: 1 },
    data: [
      { "a,b": 'say "hi"\n', 1: null },
      { "a,b": { x: [1] }, 1: -0.5 },
    ],
    row_count: 7,
  });
  assert.equal(table.total, 7);
  assert.deepEqual(
    table.columns.map(({ isKey }) => isKey),
    [false, true],
  );
  assert.equal(toCsv(table), '"a,b",1\r\n"say ""hi""\n",\r\n"{""x"":[1]}",-0.5\r\n');
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

const jupyter = {
  nbformat: 4,
  nbformat_minor: 5,
  metadata: { kernelspec: { name: "python3", display_name: "Python 3" }, own: [1] },
  cells: [
    {
      cell_type: "markdown",
      id: "a-b_1",
      metadata: { tags: ["x"] },
      source: ["# Title\n", "text"],
    },
    {
      cell_type: "code",
      id: "a-b_1",
      metadata: {},
      execution_count: 3,
      source: "1 / 0",
      outputs: [
        { output_type: "stream", name: "stdout", text: ["a\n", "b"] },
        { output_type: "display_data", data: { "image/png": "aGk=\n" }, metadata: {} },
        {
          output_type: "execute_result",
          execution_count: 3,
          data: { "text/plain": ["[1,\n", " 2]"], "application/json": [1, 2] },
          metadata: {},
        },
        { output_type: "error", ename: "E", evalue: "m", traceback: ["\u001b[0;31mE\u001b[0m: m"] },
      ],
    },
    { cell_type: "raw", id: "c", metadata: {}, source: "" },
  ],
};

test("a notebook of Jupyter is read, and written as it was", () => {
  const read = readNotebook(JSON.stringify(jupyter));
  assert.equal(read.language, "python");
  const [text, code] = read.cells;
  assert.equal(text.code, "# Title\ntext");
  assert.notEqual(code.id, text.id, "an id twice");
  assert.deepEqual([code.run.number, code.run.ending], [3, "failed"]);
  assert.deepEqual(
    code.outputs.map(({ kind }) => kind),
    ["stream", "result", "result", "error"],
  );
  assert.equal(code.outputs[1].data["image/png"], "aGk=");
  assert.equal(code.outputs[3].trace, "E: m");
  const written = JSON.parse(writeNotebook(read));
  assert.deepEqual(written.metadata.own, [1]);
  assert.deepEqual(written.cells[0], jupyter.cells[0]);
  assert.deepEqual(written.cells[2], { ...jupyter.cells[2], source: [] });
  const [stream, picture, value, error] = written.cells[1].outputs;
  assert.deepEqual(stream, jupyter.cells[1].outputs[0]);
  assert.equal(picture.output_type, "display_data");
  assert.deepEqual(value.data, { "text/plain": "[1,\n 2]", "application/json": [1, 2] });
  assert.deepEqual(error.traceback, ["E: m"]);
  assert.deepEqual(readNotebook(writeNotebook(read)).cells, read.cells);
});

test("what is no notebook is refused with a sentence", () => {
  const cell = (fields) => JSON.stringify({ nbformat: 4, cells: [fields] });
  const code = { cell_type: "code", source: "" };
  for (const [text, why] of [
    ["", /not JSON/],
    ["[]", /does not say its nbformat/],
    ['{"nbformat": 5, "cells": []}', /nbformat 5/],
    ['{"nbformat": 4, "cells": {}}', /no list of cells/],
    [cell(null), /Cell 1 is not an object/],
    [cell({ cell_type: "heading", source: "" }), /neither code nor markdown nor raw/],
    [cell({ ...code, source: [1] }), /neither text nor a list of texts/],
    [`{"nbformat":4,"cells":[],"metadata":${"[".repeat(20_000)}${"]".repeat(20_000)}}`, /too deep/],
    [cell({ ...code, outputs: {} }), /are not a list/],
    [cell({ ...code, outputs: [{ output_type: "pyout" }] }), /nbformat 4 does not have/],
    [cell({ ...code, outputs: [{ output_type: "display_data" }] }), /no data by media type/],
    [
      JSON.stringify({ nbformat: 4, cells: [], metadata: { language_info: { name: "R" } } }),
      /neither Python nor/,
    ],
  ]) {
    assert.throws(() => readNotebook(text), { name: "BadNotebook", message: why }, text);
  }
  const odd = readNotebook(
    '{"nbformat":4,"cells":[{"cell_type":"code","id":"<b>","source":"","outputs":[{"output_type":"display_data","data":{"__proto__":"x"}}]}]}',
  );
  assert.match(odd.cells[0].id, /^[\w-]+$/);
  assert.deepEqual(Object.keys(odd.cells[0].outputs[0].data), ["__proto__"]);
});

test("the report of an exception is told from what is before it", () => {
  const trace =
    'Traceback (most recent call last):\n  File "<cell 2>", line 1, in <module>\nKeyError: 1\n';
  const last = splitError(`a warning\n${trace}`, "python");
  assert.deepEqual(last, {
    before: "a warning\n",
    error: { kind: "error", name: "KeyError", message: "1", trace },
  });
  const both = `${trace}\nDuring handling of the above exception, another exception occurred:\n\n${trace}`;
  assert.equal(splitError(both, "python").error.trace, both);
  assert.equal(splitError(`${trace}more\n${trace}`, "python").before, `${trace}more\n`);
  const syntax = "  File \"<cell 2>\", line 1\n    (\n    ^\nSyntaxError: '(' was never closed\n";
  assert.equal(splitError(`x\n${syntax}`, "python").error.name, "SyntaxError");
  const script = "Uncaught Error: x\n    at <cell 1>:2:7\n";
  assert.deepEqual(splitError(`log\n${script}`, "javascript"), {
    before: "log\n",
    error: { kind: "error", name: "Error", message: "x", trace: script },
  });
  assert.equal(splitError("no report", "python"), undefined);
});

test("CSV is the same however it is cut: quotes, CRLF, blank lines, a last line without an end", () => {
  const text =
    'a,b\r\n1,"two\r\nlines, ""said"" so"\r\n\r\n"",5" disk\n"x","y"\n"\u00e9\ud83d\ude00",\n7,8';
  const wanted = [
    [["a", "b"], 1],
    [["1", 'two\r\nlines, "said" so'], 2],
    [["", '5" disk'], 5],
    [["x", "y"], 6],
    [["\u00e9\ud83d\ude00", ""], 7],
    [["7", "8"], 8],
  ];
  for (let size = 1; size <= text.length; size++) {
    const parser = new CsvParser(",");
    const records = [];
    for (let at = 0; at < text.length; at += size) {
      records.push(...parser.push(text.slice(at, at + size)));
    }
    records.push(...parser.finish());
    assert.deepEqual(
      records.map(({ cells, line }) => [cells, line]),
      wanted,
      `pieces of ${size}`,
    );
  }
});

test("a damaged CSV file is refused with the line", () => {
  const read = (text) => {
    const parser = new CsvParser(",");
    parser.push(text);
    parser.finish();
  };
  assert.throws(() => read('a\n1\n"2\n3\n'), /^Damaged: Line 3: a quote .* is not closed\.$/);
  assert.throws(() => read('a\n"b"c\n'), /^Damaged: Line 2: a quoted cell goes on/);
  assert.throws(() => read('a\n"b\nb"c\n'), /^Damaged: Line 3: a quoted cell goes on/);
  assert.throws(
    () => read(`a\n"${"b".repeat(8_000_001)}`),
    /^Damaged: Line 2: the row does not end/,
  );
});

test("the delimiter is the one that the header has most often", () => {
  assert.equal(delimiterOf("a,b;c,d"), ",");
  assert.equal(delimiterOf('"a,b,c";d;e'), ";");
  assert.equal(delimiterOf("a\tb"), "\t");
  assert.equal(delimiterOf("a"), ",");
});

test("a cell that a spreadsheet takes for a formula is saved as text, and a number as it is", () => {
  const cells = ["=1+1", "+1", "-0.5", "-1e9", "-x", "@a", "\tb", "a=1", '=a"b', "--1", ""];
  assert.equal(csvLine(cells), `'=1+1,+1,-0.5,-1e9,'-x,'@a,'\tb,a=1,"'=a""b",'--1,\r\n`);
});

const source = (text, name = "a.csv") =>
  survey(new File([text], name), new AbortController().signal, () => {});

async function sent(text, name) {
  const found = await source(text, name);
  const rows = [];
  for await (const some of readRows(found, () => true)) rows.push(...some);
  assert.equal(rows.length, found.count);
  return rows.map(({ number, input }) => [number, input]);
}

test("rows of CSV are sent as objects, numbers in columns of numbers with all their digits", async () => {
  const text = '\ufeffid;n;"a ""b""";\n007;12345678901234567890;;x\n8;;"é";y\n9;1.50;z;"n/a"\n';
  assert.deepEqual(await sent(text), [
    [1, '{"id":"007","n":12345678901234567890,"a \\"b\\"":"","column_4":"x"}'],
    [2, '{"id":"8","n":null,"a \\"b\\"":"é","column_4":"y"}'],
    [3, '{"id":"9","n":1.50,"a \\"b\\"":"z","column_4":"n/a"}'],
  ]);
  const columns = [{ name: "__proto__", isNumber: true }];
  assert.equal(inputOf(["n/a"], columns), '{"__proto__":"n/a"}');
});

test("rows of JSONL are sent as they are", async () => {
  assert.deepEqual(await sent('{"n":1e400}\r\n\n "x" \n[1]', "a.jsonl"), [
    [1, '{"n":1e400}'],
    [2, '"x"'],
    [3, "[1]"],
  ]);
});

test("a file that cannot be rows is refused with a sentence, and the line", async () => {
  const refused = (text, name) =>
    source(text, name).then(
      () => "taken",
      ({ message }) => message,
    );
  assert.equal(
    await refused("a,b\n1,2\n1,2,3\n"),
    "Line 3: the row has 3 cells, the header has 2 cells.",
  );
  assert.equal(await refused("a,a\n1,2\n"), "Line 1: two columns are called a.");
  assert.equal(await refused("a,b\n"), "Line 1: there is no row below the header.");
  assert.equal(await refused("", "a.jsonl"), "Line 1: there is no row.");
  assert.match(await refused('1\n\n{"a":\n', "a.jsonl"), /^Line 3: the row is not JSON \(.+\)\.$/);
  const latin = new Uint8Array([97, 10, 0xe9, 10]);
  assert.match(await refused(latin), /^Line 1: the text is not UTF-8, here or soon behind it/);
  assert.match(await refused(new Uint8Array([0xff, 0xfe, 97, 0])), /UTF-8/);
});

test("results come back as they were, in the order of the rows, and a row that ran again has its last", async () => {
  const store = new ResultStore(5000);
  const text = "é".repeat(500);
  for (let row = 5000; row > 1; row--) {
    const status = row % 10 === 0 ? "error" : "success";
    store.add({ row, status, ret_val: text, stdout: ',"input":1}' }, `{"n":${row}}`);
  }
  assert.deepEqual(store.totals, { left: 1, ok: 4499, failed: 500 });
  assert.equal(store.stateOf(1), "left");
  assert.equal(store.rows("failed").length, 500);
  const again = [];
  for await (const some of store.inputs(store.rows("failed"))) again.push(...some);
  assert.deepEqual(again[1], { number: 20, input: '{"n":20}' });
  store.add({ row: 20, status: "success", ret_val: "=mended" }, '{"n":20}');
  assert.deepEqual(store.totals, { left: 1, ok: 4500, failed: 499 });
  const [one] = await store.results([20]);
  assert.deepEqual(one, { row: 20, status: "success", ret_val: "=mended", input: '{"n":20}' });
  const lines = (await (await store.saveJsonl(() => {})).text()).trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).input.n),
    Array.from({ length: 4999 }, (_, index) => index + 2),
  );
  const csv = (await (await store.saveCsv(["n"], () => {})).text()).split("\r\n");
  assert.equal(csv[0], "n,row,status,ret_val,stdout,stderr,error,wall_ms");
  assert.equal(csv[19], "20,20,success,'=mended,,,,");
  assert.equal(csv.length, 5001);
});

test("a time to wait is told roughly", () => {
  assert.deepEqual([400, 99_000, 101_000, 7_200_000, 7_260_000].map(formatLong), [
    "1 s",
    "99 s",
    "2 min",
    "2 h 0 min",
    "2 h 1 min",
  ]);
});

/** What is shown of a text that comes in pieces of this size. */
function showInPieces(text, size) {
  const terminal = new Terminal();
  let shown = "";
  for (let at = 0; at < text.length; at += size) {
    const change = terminal.push(text.slice(at, at + size));
    shown = shown.slice(0, shown.length - change.back) + change.text;
  }
  return shown;
}

test("output is shown as a terminal has it, however it is cut", () => {
  const cases = [
    ["plain\ntext", "plain\ntext"],
    ["dos\r\nlines\r\n", "dos\nlines\n"],
    ["\r 10 %\r 20 %\r100 %\nnext", "100 %\nnext"],
    ["long line\rshort", "shortline"],
    ["long line\r\u001b[Kshort", "short"],
    ["gone\u001b[2K\rhere", "here"],
    ["ab\b\bX", "Xb"],
    ["\u001b[1;31mred\u001b[0m and \u001b[38;5;12mblue\u001b[m", "red and blue"],
    ["\u001b]0;title\u0007x\u001b]8;;http://a\u001b\\link", "xlink"],
    ["a\u202eb\u2066c", "a<U+202E>b<U+2066>c"],
    ["lone \u001b\nend", "lone \nend"],
    ["one\ntwo\rT\nthree", "one\nTwo\nthree"],
  ];
  for (const [text, wanted] of cases) {
    for (let size = 1; size <= text.length; size++) {
      assert.equal(showInPieces(text, size), wanted, `${JSON.stringify(text)} by ${size}`);
    }
  }
});

test("output that is made to take long is shown all the same", () => {
  const long = "x".repeat(1_000_000);
  for (const [text, length] of [
    [long + "\ry".repeat(500_000), 1_000_002],
    [long + "\b".repeat(500_000), 1_000_001],
    ["\u001b".repeat(1_000_000) + "x", 0],
    ["\u001b[".repeat(500_000) + "\n", 500_000],
  ]) {
    const terminal = new Terminal();
    const shown = terminal.push(text).text;
    if (length > 0) assert.ok(Math.abs(shown.length - length) < 5000, String(shown.length));
    for (let at = 0; at < 200; at++) terminal.push("\u001b");
  }
});

test("the states that can be gone back to are those that the server has", () => {
  const heads = new Heads();
  const listing = (x, ...files) => ({
    variables: { variables: [{ name: "x", type: "int", size: 1, repr: x }], more: 0 },
    files: files.map((name) => ({ name, size: 3 })),
  });
  heads.follow({ cells: 0, undo_steps: 0 });
  heads.follow({ cells: 1, undo_steps: 1 });
  heads.list(listing("1"));
  heads.follow({ cells: 1, undo_steps: 2 }, true);
  heads.list(listing("1", "a.txt"));
  assert.deepEqual([heads.previous, heads.isKept(1)], [1, true]);
  assert.deepEqual(heads.differences, [{ name: "a.txt", what: "goes", now: "3 bytes", then: "" }]);
  heads.follow({ cells: 2, undo_steps: 2 });
  assert.equal(heads.differences, undefined, "not listed yet");
  heads.list(listing("2"));
  assert.deepEqual(heads.differences, [
    { name: "x", what: "changes", now: "2", then: "1" },
    { name: "a.txt", what: "comes back", now: "", then: "3 bytes" },
  ]);
  // The server had no memory for more.
  heads.follow({ cells: 2, undo_steps: 0 });
  assert.deepEqual([heads.previous, heads.isKept(1), heads.isKept(2)], [undefined, false, false]);
  // Of before the page.
  const later = new Heads();
  later.follow({ cells: 7, undo_steps: 2 });
  assert.deepEqual(
    [5, 6, 7].map((cell) => later.isKept(cell)),
    [true, true, false],
  );
  assert.equal(later.differences, undefined);
});

test("attachments of text cells go out as they came in", () => {
  const attachments = { "a.png": { "image/png": "aGk=" } };
  const cells = [
    { cell_type: "markdown", metadata: {}, source: "![](attachment:a.png)", attachments },
  ];
  const file = { nbformat: 4, nbformat_minor: 5, metadata: {}, cells };
  const written = JSON.parse(writeNotebook(readNotebook(JSON.stringify(file))));
  assert.deepEqual(written.cells[0].attachments, attachments);
});
