// The global `console`: which method writes where, and how values look, as in Node.js 20
// (lib/internal/util/inspect.js and lib/internal/console/constructor.js there). The formatting of a
// single value is deno_web's, which follows the same source.

import { core, primordials } from "ext:core/mod.js";

const {
  ArrayIsArray,
  ArrayPrototypeJoin,
  ArrayPrototypeMap,
  ArrayPrototypePush,
  ErrorCaptureStackTrace,
  JSONStringify,
  MathFloor,
  MathMax,
  MapPrototypeForEach,
  Number,
  NumberParseFloat,
  NumberParseInt,
  NumberPrototypeToFixed,
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  ObjectGetOwnPropertyNames,
  ObjectGetPrototypeOf,
  ObjectHasOwn,
  ObjectIs,
  ObjectKeys,
  ReflectApply,
  RegExpPrototypeTest,
  SafeMap,
  SafeRegExp,
  SafeSet,
  SetPrototypeForEach,
  String,
  StringPrototypeCharCodeAt,
  StringPrototypeIncludes,
  StringPrototypePadStart,
  StringPrototypeRepeat,
  StringPrototypeReplaceAll,
  StringPrototypeSlice,
  StringPrototypeSplit,
  SymbolToPrimitive,
  SymbolToStringTag,
  TypeError,
} = primordials;

const { formatValue, getStringWidth, inspect: denoInspect } = core.loadExtScript(
  "ext:deno_web/01_console.js",
);

// Options of `util.inspect` in Node, and the quotes it prefers.
const DEFAULTS = {
  __proto__: null,
  showHidden: false,
  depth: 2,
  colors: false,
  customInspect: true,
  showProxy: false,
  maxArrayLength: 100,
  maxStringLength: 10000,
  breakLength: 80,
  compact: 3,
  sorted: false,
  getters: false,
  quotes: ["'", '"', "`"],
  trailingComma: false,
};

export function inspect(value, options) {
  return formatValue({ __proto__: null, ...DEFAULTS, ...options, inspect: denoInspect }, value, 0);
}

// Names of the constructors that come with the realm.
const builtIns = new SafeSet();
for (const name of ObjectGetOwnPropertyNames(globalThis)) {
  if (RegExpPrototypeTest(new SafeRegExp("^[A-Z][a-zA-Z0-9]+$"), name)) builtIns.add(name);
}

// Whether `String(value)` would run a method of the realm's own, so that %s rather inspects it.
function hasBuiltInToString(value) {
  const proxied = core.getProxyDetails(value);
  if (proxied !== null && proxied !== undefined) {
    value = proxied[0];
    if (value === null) return true;
  }
  const hasToString = typeof value.toString === "function";
  const hasToPrimitive = typeof value[SymbolToPrimitive] === "function";
  if (!hasToString && !hasToPrimitive) return true;
  const isOwner = (object) =>
    (hasToString && ObjectHasOwn(object, "toString")) ||
    (hasToPrimitive && ObjectHasOwn(object, SymbolToPrimitive));
  if (isOwner(value)) return false;
  let owner = value;
  do {
    owner = ObjectGetPrototypeOf(owner);
  } while (owner !== null && !isOwner(owner));
  if (owner === null) return true;
  const descriptor = ObjectGetOwnPropertyDescriptor(owner, "constructor");
  return descriptor !== undefined && typeof descriptor.value === "function" &&
    builtIns.has(descriptor.value.name);
}

function formatNumber(number) {
  return ObjectIs(number, -0) ? "-0" : `${number}`;
}

function formatJson(value) {
  try {
    return JSONStringify(value);
  } catch (error) {
    if (isCircularError(error)) return "[Circular]";
    throw error;
  }
}

function isCircularError(error) {
  return core.isNativeError(error) && error.name === "TypeError" &&
    StringPrototypeIncludes(String(error.message), "circular structure");
}

// What a placeholder stands for; undefined for one that is none.
function formatPlaceholder(kind, value) {
  switch (kind) {
    case "s":
      if (typeof value === "number") return formatNumber(value);
      if (typeof value === "bigint") return `${value}n`;
      if (typeof value !== "object" || value === null || !hasBuiltInToString(value)) {
        return String(value);
      }
      return inspect(value, { depth: 0 });
    case "j":
      return formatJson(value);
    case "d":
      if (typeof value === "bigint") return `${value}n`;
      return typeof value === "symbol" ? "NaN" : formatNumber(Number(value));
    case "i":
      if (typeof value === "bigint") return `${value}n`;
      return typeof value === "symbol" ? "NaN" : formatNumber(NumberParseInt(value));
    case "f":
      return typeof value === "symbol" ? "NaN" : formatNumber(NumberParseFloat(value));
    case "O":
      return inspect(value);
    case "o":
      return inspect(value, { showHidden: true, showProxy: true, depth: 4 });
    case "c":
      return "";
  }
  return undefined;
}

// `util.format`.
export function format(args) {
  const { length } = args;
  const first = args[0];
  let used = 0;
  let text = "";
  let separator = "";
  if (typeof first === "string") {
    if (length === 1) return first;
    let done = 0;
    for (let i = 0; i < first.length - 1; i++) {
      if (StringPrototypeCharCodeAt(first, i) !== 37) continue;
      const kind = first[++i];
      if (kind === "%") {
        text += StringPrototypeSlice(first, done, i);
        done = i + 1;
      } else if (used + 1 < length && StringPrototypeIncludes("sjdifOoc", kind)) {
        const value = `${formatPlaceholder(kind, args[++used])}`;
        text += StringPrototypeSlice(first, done, i - 1) + value;
        done = i + 1;
      }
    }
    if (done !== 0) {
      used++;
      separator = " ";
      text += StringPrototypeSlice(first, done);
    }
  }
  for (; used < length; used++) {
    const value = args[used];
    text += separator + (typeof value === "string" ? value : inspect(value));
    separator = " ";
  }
  return text;
}

function renderRow(row, widths) {
  const cells = ArrayPrototypeMap(
    row,
    (cell, i) => cell + StringPrototypeRepeat(" ", widths[i] - getStringWidth(cell)),
  );
  return `│ ${ArrayPrototypeJoin(cells, " │ ")} │\n`;
}

function renderTable(head, columns) {
  const widths = ArrayPrototypeMap(head, (title) => getStringWidth(title));
  let height = 0;
  for (let i = 0; i < columns.length; i++) height = MathMax(height, columns[i].length);
  const rows = [];
  for (let j = 0; j < height; j++) {
    rows[j] = [];
    for (let i = 0; i < columns.length; i++) {
      const cell = ObjectHasOwn(columns[i], j) ? columns[i][j] : "";
      rows[j][i] = cell;
      widths[i] = MathMax(widths[i], getStringWidth(cell));
    }
  }
  const bars = ArrayPrototypeMap(widths, (width) => StringPrototypeRepeat("─", width + 2));
  let text = `┌${ArrayPrototypeJoin(bars, "┬")}┐\n${renderRow(head, widths)}`;
  text += `├${ArrayPrototypeJoin(bars, "┼")}┤\n`;
  for (let j = 0; j < height; j++) text += renderRow(rows[j], widths);
  return `${text}└${ArrayPrototypeJoin(bars, "┴")}┘`;
}

function inspectCell(value) {
  const isWide = value !== null && typeof value === "object" && !ArrayIsArray(value) &&
    !core.isTypedArray(value) && ObjectKeys(value).length > 2;
  return inspect(value, { depth: isWide ? -1 : 0, maxArrayLength: 3, breakLength: Infinity });
}

// The text of a table; undefined for what has no rows.
function tableOf(data, properties) {
  if (data === null || typeof data !== "object") return undefined;
  const indices = [];
  const values = [];
  const addRow = (value) => {
    ArrayPrototypePush(indices, `${indices.length}`);
    ArrayPrototypePush(values, inspectCell(value));
  };
  if (core.isMap(data)) {
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

function twoDigits(number) {
  return StringPrototypePadStart(`${number}`, 2, "0");
}

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
export function createConsole(write, now) {
  let indent = "";
  const counts = new SafeMap();
  const timers = new SafeMap();

  function print(descriptor, text) {
    if (indent !== "") text = indent + StringPrototypeReplaceAll(text, "\n", `\n${indent}`);
    write(descriptor, `${text}\n`);
  }
  function warn(text) {
    write(STDERR, `Warning: ${text}\n`);
  }
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
    "log", "warn", "dir", "time", "timeEnd", "timeLog", "trace", "assert", "clear", "count",
    "countReset", "group", "groupEnd", "table", "debug", "info", "dirxml", "error",
    "groupCollapsed",
  ]) {
    const method = methods[name];
    // Bound, so that `const { log } = console` works, and each with a name of its own.
    const bound = { [name]: (...args) => ReflectApply(method, undefined, args) }[name];
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
