// Tools of the program's caller: functions that ask for a call, and promises of their answers.

import { primordials } from "ext:core/mod.js";
import { op_faas_call_tool } from "ext:core/ops";

const {
  Error,
  ErrorCaptureStackTrace,
  JSONParse,
  JSONStringify,
  ObjectDefineProperty,
  ObjectFreeze,
  Promise,
  PromiseReject,
  SafeMap,
  SafeSet,
} = primordials;

class ToolError extends Error {
  /**
   * @param {string} message
   * @param {string} tool
   */
  constructor(message, tool) {
    super(message);
    this.tool = tool;
  }
}
ObjectDefineProperty(ToolError.prototype, "name", {
  __proto__: null,
  value: "ToolError",
  writable: true,
  configurable: true,
  enumerable: false,
});

/** @typedef {{ tool: string; resolve: (value: unknown) => void; error: ToolError; reject: (error: unknown) => void }} Call */
// Those that are not answered, by their numbers.
/** @type {Map<number, Call>} */
const calls = new SafeMap();
let last = 0;
/** @type {Set<string>} */
const offered = new SafeSet();

// What the program calls its tools by. `specs` is JSON text (faas_tools::ToolSet::for_runner); undefined if nothing is
// to change.
/** @type {(specs: string | null) => object | undefined} */
export function offerTools(specs) {
  if (specs === null && offered.size === 0) return undefined;
  offered.clear();
  // Of the program before, that did not wait for them.
  calls.clear();
  last = 0;
  /** @type {Record<string, unknown>} */
  const tools = { __proto__: null, ToolError };
  const all = specs === null ? [] : JSONParse(specs);
  for (let i = 0; i < all.length; i++) {
    const { name, identifier } = all[i];
    offered.add(name);
    /** @param {unknown} input */
    const tool = (input) => call(name, input);
    ObjectDefineProperty(tool, "name", { __proto__: null, value: identifier });
    tools[identifier] = tool;
    // As `tools["a-b"]`, too.
    tools[name] = tool;
  }
  return ObjectFreeze(tools);
}

/** @type {(tool: string, input: unknown) => Promise<unknown>} */
function call(tool, input) {
  // Its stack is that of the call, not of the answer.
  const error = new ToolError("", tool);
  ErrorCaptureStackTrace(error, call);
  if (!offered.has(tool)) {
    error.message = `this program was given no tool "${tool}"`;
    return PromiseReject(error);
  }
  return new Promise((resolve, reject) => {
    const text = JSONStringify(input === undefined ? {} : input);
    last++;
    op_faas_call_tool(last, tool, text === undefined ? "null" : text);
    calls.set(last, { tool, resolve, reject, error });
  });
}

// Takes the answer to a call.
/** @type {(number: number, outcome: string, text: string) => void} */
export function settleCall(number, outcome, text) {
  const call = calls.get(number);
  if (call === undefined) return;
  calls.delete(number);
  if (outcome === "result") {
    call.resolve(JSONParse(text));
    return;
  }
  const { error, tool } = call;
  error.message = outcome === "invalid" ? `${tool}: ${text}` : text;
  call.reject(error);
}
