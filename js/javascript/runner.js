// Runs one program: starts it, takes what it leaves unhandled, and puts its end into words.

import { core, primordials } from "ext:core/mod.js";
import { op_faas_excerpt, op_faas_fail, op_faas_finish, op_faas_print } from "ext:core/ops";
import { show } from "ext:faas_javascript/display.js";
import { inspect } from "ext:faas_javascript/inspect.js";
import { beginInvocation } from "ext:faas_javascript/invocation.js";
import { placeOf } from "ext:faas_javascript/stack.js";

const {
  ErrorPrototype,
  JSONParse,
  JSONStringify,
  ObjectDefineProperty,
  ObjectPrototypeIsPrototypeOf,
  RegExpPrototypeExec,
  SafeRegExp,
  String,
  StringPrototypeEndsWith,
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

// Makes ready for a program, whose input is JSON text or undefined.
/** @type {(input: string | undefined) => void} */
export function begin(input) {
  isReturnValueSet = false;
  returnValue = undefined;
  const value = input === undefined ? null : JSONParse(input);
  defineGlobal("input_data", value);
  // The name that programs for coze-loop's services know.
  defineGlobal("input", value);
  defineGlobal("args", beginInvocation());
}

/** @type {(name: string, value: unknown) => void} */
function defineGlobal(name, value) {
  ObjectDefineProperty(globalThis, name, {
    __proto__: null,
    value,
    writable: true,
    configurable: true,
    enumerable: false,
  });
}

// Reports an error that nobody caught, and ends the program. Line and column are given for what is no
// Error, where they are known.
/** @type {(error: unknown, line?: number, column?: number) => void} */
export function fail(error, line, column) {
  let report;
  try {
    report = describe(error, line, column);
  } catch {
    report = "Uncaught error whose report failed";
  }
  op_faas_print(STDERR, StringPrototypeEndsWith(report, "\n") ? report : `${report}\n`);
  op_faas_fail(isOutOfMemory(error));
}

/** @type {(error: unknown, line?: number, column?: number) => string} */
function describe(error, line, column) {
  const isError = core.isNativeError(error) || ObjectPrototypeIsPrototypeOf(ErrorPrototype, error);
  const text = inspect(error);
  if (!isError) {
    const excerpt = line === undefined || column === undefined ? "" : op_faas_excerpt(line, column);
    return `${excerpt === "" ? "" : `${excerpt}\n`}Uncaught ${text}`;
  }
  const place = placeOf(error);
  const excerpt = place === undefined ? "" : op_faas_excerpt(place.line, place.column);
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
