// Runs one program: starts it, takes what it leaves unhandled, and puts its end into words.

import { core, primordials } from "ext:core/mod.js";
import { op_faas_excerpt, op_faas_fail, op_faas_finish, op_faas_print } from "ext:core/ops";
import { show, showError } from "ext:faas_javascript/display.js";
import { beginFiles, tendFiles } from "ext:faas_javascript/files.js";
import { inspect } from "ext:faas_javascript/inspect.js";
import { beginInvocation, showsErrors } from "ext:faas_javascript/invocation.js";
import { placeOf } from "ext:faas_javascript/stack.js";
import { offerTools } from "ext:faas_javascript/tools.js";
import { clearTimers, watchTimers } from "ext:faas_javascript/timers.js";

const {
  ArrayBufferIsView,
  ArrayPrototypePush,
  ErrorPrototype,
  JSONParse,
  JSONStringify,
  Number,
  ObjectDefineProperty,
  ObjectHasOwn,
  ObjectPrototypeIsPrototypeOf,
  RegExpPrototypeExec,
  SafeRegExp,
  SafeSet,
  SetPrototypeForEach,
  String,
  StringPrototypeEndsWith,
  StringPrototypeSlice,
} = primordials;

const STDERR = 2;
// As Node.js: the program ended while its top-level await was still waiting.
const EXIT_UNSETTLED = 13;

let isReturnValueSet = false;
/** @type {unknown} */
let returnValue;

/** @type {(value: unknown) => void} */
export function returnVal(value) {
  isReturnValueSet = true;
  returnValue = value;
}

// Programs may declare a name for this.
const global = globalThis;
const asyncContext = core.getAsyncContext();
// Names that programs declared of which another one goes on.
/** @type {Set<string>} */
const declared = new SafeSet();

// Makes ready for a program, whose input is JSON text or undefined. If `keep`, another one will go on from
// its end; if `goesOn`, it goes on from the end of another.
/** @type {(input: string | undefined, keep: boolean, goesOn: boolean) => void} */
export function begin(input, keep, goesOn) {
  isReturnValueSet = false;
  returnValue = undefined;
  const value = input === undefined ? null : JSONParse(input);
  defineGlobal("input_data", value);
  // The name that programs for coze-loop's services know.
  defineGlobal("input", value);
  const { args, tools } = beginInvocation();
  defineGlobal("args", args);
  const offered = offerTools(tools);
  if (offered !== undefined) defineGlobal("tools", offered);
  beginFiles(goesOn);
  if (keep) watchTimers();
}

/** @type {(name: string, value: unknown) => void} */
function defineGlobal(name, value) {
  if (declared.has(name)) return;
  ObjectDefineProperty(global, name, {
    __proto__: null,
    value,
    writable: true,
    configurable: true,
    enumerable: false,
  });
}

// Makes sure that the names are there that a program assigns to where it declares them.
/** @type {(names: string[]) => void} */
export function declare(names) {
  for (let i = 0; i < names.length; i++) {
    declared.add(names[i]);
    if (ObjectHasOwn(global, names[i])) continue;
    ObjectDefineProperty(global, names[i], {
      __proto__: null,
      value: undefined,
      writable: true,
      configurable: true,
      enumerable: true,
    });
  }
}

// Takes away what would still run of a program when another one goes on. Returns what `fireTimers` does.
export function clear() {
  core.setAsyncContext(asyncContext);
  return clearTimers();
}

// Reports an error that nobody caught, and ends the program. Its place is given for what is no Error,
// where it is known.
/** @type {(error: unknown, file?: string, line?: number, column?: number) => void} */
export function fail(error, file, line, column) {
  let report;
  try {
    report = describe(error, file, line, column);
  } catch {
    report = "Uncaught error whose report failed";
  }
  if (!StringPrototypeEndsWith(report, "\n")) report = `${report}\n`;
  if (!showsErrors() || !showError(error, report)) op_faas_print(STDERR, report);
  op_faas_fail(isOutOfMemory(error));
}

/** @type {(error: unknown, file?: string, line?: number, column?: number) => string} */
function describe(error, file, line, column) {
  const isError = core.isNativeError(error) || ObjectPrototypeIsPrototypeOf(ErrorPrototype, error);
  const text = inspect(error);
  if (!isError) {
    const isKnown = file !== undefined && line !== undefined && column !== undefined;
    const excerpt = isKnown ? op_faas_excerpt(file, line, column) : "";
    return `${excerpt === "" ? "" : `${excerpt}\n`}Uncaught ${text}`;
  }
  const place = placeOf(error);
  const excerpt = place === undefined ? "" : op_faas_excerpt(place.file, place.line, place.column);
  return excerpt === "" ? `Uncaught ${text}` : `${excerpt}\n${text}`;
}

const NO_MEMORY = new SafeRegExp(
  "^(Array buffer allocation failed|WebAssembly\\.Memory\\(\\): could not allocate|Data cannot be cloned, out of memory)",
);

// Whether V8 could not get memory for a buffer; for its own heap it has other ways to say so.
/** @type {(error: unknown) => boolean} */
function isOutOfMemory(error) {
  try {
    return (
      ObjectPrototypeIsPrototypeOf(ErrorPrototype, error) &&
      RegExpPrototypeExec(NO_MEMORY, String(error.message)) !== null
    );
  } catch {
    return false;
  }
}

// Called when nothing is left to do. `returned` is what the top level returned, if it is settled.
/** @type {(isSettled: boolean, returned: unknown) => void} */
export function finish(isSettled, returned) {
  if (!isSettled) {
    op_faas_print(
      STDERR,
      "The program ended while its top-level await was waiting for a promise that nothing was left to settle\n",
    );
    op_faas_finish(EXIT_UNSETTLED, null, null);
    return;
  }
  const value = isReturnValueSet ? returnValue : returned;
  let text;
  try {
    if (returned !== undefined) show(returned, true);
    text = encode(value);
  } catch (error) {
    fail(error);
    return;
  }
  op_faas_finish(0, text, null);
}

// A return value as text: strings as they are, JSON where it fits, else as console.log shows it.
/** @type {(value: unknown) => string | null} */
function encode(value) {
  if (value === undefined) return null;
  if (typeof value === "string") return value;
  try {
    const json = JSONStringify(value);
    if (json !== undefined) return json;
  } catch (error) {
    if (!core.isNativeError(error) || error.name !== "TypeError") throw error;
  }
  return inspect(value);
}

const MOST_VARIABLES = 1000;
const LONGEST_NAME = 200;
const LONGEST_REPR = 200;

// Looks at, or changes, what programs left. Returns JSON, that it was done, or nothing.
/** @type {(what: string, file: string, goesOn: boolean) => string | undefined} */
export function tend(what, file, goesOn) {
  beginFiles(goesOn);
  return what === "variables" ? variables() : tendFiles(what, file);
}

// The variables as JSON (crates/faas-protocol/src/tending.rs).
function variables() {
  /** @type {unknown[]} */
  const found = [];
  let more = 0;
  SetPrototypeForEach(declared, (name) => {
    if (found.length === MOST_VARIABLES) more++;
    else ArrayPrototypePush(found, describeVariable(name));
  });
  return JSONStringify({ variables: found, more });
}

/** @type {(name: string) => object} */
function describeVariable(name) {
  const described = {
    name: StringPrototypeSlice(name, 0, LONGEST_NAME),
    type: "?",
    size: null,
    repr: "",
  };
  try {
    const value = /** @type {any} */ (global)[name];
    described.type = typeOf(value);
    described.size = sizeOf(value);
    described.repr = StringPrototypeSlice(inspect(value, SHORT), 0, LONGEST_REPR);
  } catch {
    described.repr = "(it cannot be shown)";
  }
  return described;
}

const SHORT = {
  __proto__: null,
  depth: 1,
  maxArrayLength: 8,
  maxStringLength: LONGEST_REPR,
  breakLength: Infinity,
};

/** @type {(value: any) => string} */
function typeOf(value) {
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  const name = value.constructor?.name;
  return typeof name === "string" ? StringPrototypeSlice(name, 0, LONGEST_NAME) : "object";
}

// In bytes, as far as the language tells.
/** @type {(value: any) => any} */
function sizeOf(value) {
  if (typeof value === "string") return core.encode(value).length;
  if (core.isAnyArrayBuffer(value) || ArrayBufferIsView(value)) return Number(value.byteLength);
  return null;
}
