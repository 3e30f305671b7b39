// The global `console`: which method writes where, as in Node.js 20
// (lib/internal/console/constructor.js and lib/internal/cli_table.js there).

import { core, primordials } from "ext:core/mod.js";
import { op_preview_entries } from "ext:core/ops";
import { format, getStringWidth, inspect } from "ext:faas_javascript/inspect.js";

const {
  ArrayIsArray,
  ArrayPrototypeJoin,
  ArrayPrototypeMap,
  ArrayPrototypePush,
  ErrorCaptureStackTrace,
  MathFloor,
  MathMax,
  MapPrototypeForEach,
  Number,
  NumberPrototypeToFixed,
  ObjectDefineProperty,
  ObjectHasOwn,
  ObjectKeys,
  ReflectApply,
  SafeMap,
  SetPrototypeForEach,
  StringPrototypePadStart,
  StringPrototypeRepeat,
  StringPrototypeReplaceAll,
  StringPrototypeSlice,
  StringPrototypeSplit,
  SymbolToStringTag,
  TypeError,
} = primordials;

/** @type {(row: string[], widths: number[]) => string} */
function renderRow(row, widths) {
  const cells = ArrayPrototypeMap(
    row,
    (cell, i) => cell + StringPrototypeRepeat(" ", widths[i] - getStringWidth(cell)),
  );
  return `\u2502 ${ArrayPrototypeJoin(cells, " \u2502 ")} \u2502\n`;
}

/** @type {(head: string[], columns: string[][]) => string} */
function renderTable(head, columns) {
  const widths = ArrayPrototypeMap(head, (title) => getStringWidth(title));
  let height = 0;
  for (let i = 0; i < columns.length; i++) height = MathMax(height, columns[i].length);
  /** @type {string[][]} */
  const rows = [];
  for (let j = 0; j < height; j++) {
    rows[j] = [];
    for (let i = 0; i < columns.length; i++) {
      const cell = ObjectHasOwn(columns[i], j) ? columns[i][j] : "";
      rows[j][i] = cell;
      widths[i] = MathMax(widths[i], getStringWidth(cell));
    }
  }
  const bars = ArrayPrototypeMap(widths, (width) => StringPrototypeRepeat("\u2500", width + 2));
  let text = `\u250c${ArrayPrototypeJoin(bars, "\u252c")}\u2510\n${renderRow(head, widths)}`;
  text += `\u251c${ArrayPrototypeJoin(bars, "\u253c")}\u2524\n`;
  for (let j = 0; j < height; j++) text += renderRow(rows[j], widths);
  return `${text}\u2514${ArrayPrototypeJoin(bars, "\u2534")}\u2518`;
}

/** @type {(value: any) => string} */
function inspectCell(value) {
  const isWide =
    value !== null &&
    typeof value === "object" &&
    !ArrayIsArray(value) &&
    !core.isTypedArray(value) &&
    ObjectKeys(value).length > 2;
  return inspect(value, { depth: isWide ? -1 : 0, maxArrayLength: 3, breakLength: Infinity });
}

// The text of a table; undefined for what has no rows.
/** @type {(data: any, properties?: string[]) => string | undefined} */
function tableOf(data, properties) {
  if (data === null || typeof data !== "object") return undefined;
  /** @type {string[]} */
  const indices = [];
  /** @type {string[]} */
  const values = [];
  /** @type {(value: unknown) => void} */
  const addRow = (value) => {
    ArrayPrototypePush(indices, `${indices.length}`);
    ArrayPrototypePush(values, inspectCell(value));
  };
  const isOfMap = core.isMapIterator(data);
  if (isOfMap || core.isSetIterator(data)) {
    // An iterator of a Map's entries gives keys and values by turns, and is not used up by this.
    const preview = op_preview_entries(data, true);
    const entries = preview[0];
    if (!isOfMap || !preview[1]) {
      // So has Node.js it for the entries of a Set, too.
      for (let i = 0; i < entries.length; i++) addRow(entries[i]);
      return renderTable(["(iteration index)", "Values"], [indices, values]);
    }
    /** @type {string[]} */
    const keys = [];
    for (let i = 0; i < entries.length; i += 2) {
      ArrayPrototypePush(keys, inspectCell(entries[i]));
      addRow(entries[i + 1]);
    }
    return renderTable(["(iteration index)", "Key", "Values"], [indices, keys, values]);
  }
  if (core.isMap(data)) {
    /** @type {string[]} */
    const keys = [];
    MapPrototypeForEach(data, (value, key) => {
      ArrayPrototypePush(keys, inspectCell(key));
      addRow(value);
    });
    return renderTable(["(iteration index)", "Key", "Values"], [indices, keys, values]);
  }
  if (core.isSet(data)) {
    SetPrototypeForEach(data, addRow);
    return renderTable(["(iteration index)", "Values"], [indices, values]);
  }
  const rowNames = ObjectKeys(data);
  const columns = new SafeMap();
  /** @type {string[]} */
  const primitives = [];
  let hasPrimitives = false;
  for (let i = 0; i < rowNames.length; i++) {
    const item = data[rowNames[i]];
    const isPrimitive = item === null || (typeof item !== "function" && typeof item !== "object");
    if (isPrimitive && properties === undefined) {
      hasPrimitives = true;
      primitives[i] = inspectCell(item);
      continue;
    }
    const keys = properties ?? ObjectKeys(item);
    for (let k = 0; k < keys.length; k++) {
      const key = keys[k];
      if (!columns.has(key)) columns.set(key, []);
      const has = !isPrimitive && ObjectHasOwn(item, key);
      columns.get(key)[i] = has ? inspectCell(item[key]) : "";
    }
  }
  const head = ["(index)"];
  const cells = [rowNames];
  columns.forEach((column, key) => {
    ArrayPrototypePush(head, `${key}`);
    ArrayPrototypePush(cells, column);
  });
  if (hasPrimitives) {
    ArrayPrototypePush(head, "Values");
    ArrayPrototypePush(cells, primitives);
  }
  return renderTable(head, cells);
}

/** @type {(number: number | string) => string} */
function twoDigits(number) {
  return StringPrototypePadStart(`${number}`, 2, "0");
}

/** @type {(milliseconds: number) => string} */
function formatDuration(milliseconds) {
  if (milliseconds < 1000) return `${Number(NumberPrototypeToFixed(milliseconds, 3))}ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${NumberPrototypeToFixed(seconds, 3)}s`;
  const hours = MathFloor(seconds / 3600);
  const minutes = MathFloor((seconds % 3600) / 60);
  const { 0: whole, 1: part } = StringPrototypeSplit(NumberPrototypeToFixed(seconds % 60, 3), ".");
  const rest = `${twoDigits(whole)}.${part}`;
  return hours === 0
    ? `${minutes}:${rest} (m:ss.mmm)`
    : `${hours}:${twoDigits(minutes)}:${rest} (h:mm:ss.mmm)`;
}

const STDOUT = 1;
const STDERR = 2;

// Makes the object `console`. `write(descriptor, text)` takes whole lines, `now()` gives ms.
/**
 * @param {(descriptor: number, text: string) => void} write
 * @param {() => number} now
 */
export function createConsole(write, now) {
  let indent = "";
  const counts = new SafeMap();
  const timers = new SafeMap();

  /** @type {(descriptor: number, text: string) => void} */
  function print(descriptor, text) {
    if (indent !== "") text = indent + StringPrototypeReplaceAll(text, "\n", `\n${indent}`);
    write(descriptor, `${text}\n`);
  }
  /** @type {(text: string) => void} */
  function warn(text) {
    write(STDERR, `Warning: ${text}\n`);
  }
  /** @type {(name: string, label: string, data: unknown[]) => void} */
  function logTime(name, label, data) {
    const start = timers.get(label);
    if (start === undefined) {
      warn(`No such label '${label}' for console.${name}()`);
      return;
    }
    const line = ["%s: %s", label, formatDuration(now() - start)];
    for (let i = 0; i < data.length; i++) ArrayPrototypePush(line, data[i]);
    print(STDOUT, format(line));
  }

  /** @type {Record<string, ((...args: any[]) => void) | null>} */
  const methods = {
    __proto__: null,
    log(...args) {
      print(STDOUT, format(args));
    },
    warn(...args) {
      print(STDERR, format(args));
    },
    dir(value, options) {
      print(STDOUT, inspect(value, { customInspect: false, ...options, colors: false }));
    },
    time(label = "default") {
      label = `${label}`;
      if (timers.has(label)) warn(`Label '${label}' already exists for console.time()`);
      else timers.set(label, now());
    },
    timeEnd(label = "default") {
      label = `${label}`;
      logTime("timeEnd", label, []);
      timers.delete(label);
    },
    timeLog(label = "default", ...data) {
      logTime("timeLog", `${label}`, data);
    },
    trace(...args) {
      /** @type {{ name: string; message: string; stack?: unknown }} */
      const error = { name: "Trace", message: format(args) };
      ErrorCaptureStackTrace(error);
      print(STDERR, `${error.stack}`);
    },
    assert(condition, ...args) {
      if (condition) return;
      args[0] = `Assertion failed${args.length === 0 ? "" : `: ${args[0]}`}`;
      print(STDERR, format(args));
    },
    clear() {},
    count(label = "default") {
      label = `${label}`;
      const count = (counts.get(label) ?? 0) + 1;
      counts.set(label, count);
      print(STDOUT, `${label}: ${count}`);
    },
    countReset(label = "default") {
      label = `${label}`;
      if (!counts.delete(label)) warn(`Count for '${label}' does not exist`);
    },
    group(...args) {
      if (args.length > 0) print(STDOUT, format(args));
      indent += "  ";
    },
    groupEnd() {
      indent = StringPrototypeSlice(indent, 2);
    },
    table(data, properties) {
      if (properties !== undefined && !ArrayIsArray(properties)) {
        throw new TypeError('The "properties" argument must be an instance of Array');
      }
      print(STDOUT, tableOf(data, properties) ?? format([data]));
    },
  };
  methods.debug = methods.info = methods.dirxml = methods.log;
  methods.error = methods.warn;
  methods.groupCollapsed = methods.group;

  const console = { __proto__: {} };
  for (const name of [
    "log",
    "warn",
    "dir",
    "time",
    "timeEnd",
    "timeLog",
    "trace",
    "assert",
    "clear",
    "count",
    "countReset",
    "group",
    "groupEnd",
    "table",
    "debug",
    "info",
    "dirxml",
    "error",
    "groupCollapsed",
  ]) {
    const method = /** @type {Function} */ (methods[name]);
    // Bound, so that `const { log } = console` works, and each with a name of its own.
    const bound = {
      [name]: (/** @type {unknown[]} */ ...args) => ReflectApply(method, undefined, args),
    }[name];
    ObjectDefineProperty(console, name, {
      __proto__: null,
      value: bound,
      writable: true,
      configurable: true,
      enumerable: true,
    });
  }
  ObjectDefineProperty(console, SymbolToStringTag, {
    __proto__: null,
    value: "console",
    configurable: true,
  });
  return console;
}
