// Stack traces that show the user's frames, at the positions of the source that was sent.

import { primordials } from "ext:core/mod.js";
import { op_faas_original_position } from "ext:core/ops";

const {
  ArrayPrototypeJoin,
  ArrayPrototypePush,
  Error,
  ErrorPrototypeToString,
  Number,
  ObjectGetPrototypeOf,
  ReflectApply,
  RegExpPrototypeExec,
  SafeRegExp,
  StringPrototypeSlice,
  StringPrototypeStartsWith,
  Uint32Array,
} = primordials;

// Names that programs look for in vain, and what to do instead.
/** @type {Record<string, string | null>} */
const MISSING = {
  __proto__: null,
  Buffer: "use Uint8Array, TextEncoder, atob and btoa",
  Bun: "",
  Deno: "",
  WebSocket: "it has no network",
  XMLHttpRequest: "it has no network",
  __dirname: "it has no files",
  __filename: "it has no files",
  alert: "use console.log",
  document: "it is no browser",
  exports: "use return_val or a top-level return",
  fetch: "it has no network",
  global: "use globalThis",
  localStorage: "it keeps nothing",
  module: "use return_val or a top-level return",
  process: "",
  prompt: "send `input` with the request, and read input_data",
  require: "put everything into the code that is sent",
  sessionStorage: "it keeps nothing",
  window: "it is no browser; use globalThis",
};

// What a call site says of itself, taken from the first one there is, while the realm warms up:
// before user code could tamper with it.
/** @type {Function} */
let getFileName;
/** @type {Function} */
let toText;

const position = new Uint32Array(2);

// Rewrites every `<code>:LINE:COLUMN` in a line of a trace. Undefined for code that the TypeScript
// compiler added, which is at no place in the source.
/** @type {(text: string) => string | undefined} */
function mapPositions(text) {
  const place = new SafeRegExp("<code>:(\\d+):(\\d+)", "g");
  let mapped = "";
  let done = 0;
  let match;
  while ((match = RegExpPrototypeExec(place, text)) !== null) {
    if (!op_faas_original_position(Number(match[1]), Number(match[2]), position)) return undefined;
    mapped += `${StringPrototypeSlice(text, done, match.index)}<code>:${position[0]}:${position[1]}`;
    done = place.lastIndex;
  }
  return mapped + StringPrototypeSlice(text, done);
}

/** @type {(error: unknown) => string} */
function headerOf(error) {
  let header;
  try {
    header = ErrorPrototypeToString(error);
  } catch {
    return "<error>";
  }
  const match = RegExpPrototypeExec(
    new SafeRegExp("^ReferenceError: (\\w+) is not defined$"),
    header,
  );
  if (match === null) return header;
  const advice = MISSING[match[1]];
  if (advice === undefined) return header;
  return `${header}: the sandbox has no ${match[1]}${advice === "" ? "" : `; ${advice}`}`;
}

// The value of `error.stack`, given V8's call sites. `isMapped` tells whether the code that runs is
// not the code that was sent.
/** @type {(error: unknown, sites: object[], isMapped: boolean) => any} */
export function formatStack(error, sites, isMapped) {
  if (getFileName === undefined && sites.length > 0) {
    ({ getFileName, toString: toText } = ObjectGetPrototypeOf(sites[0]));
  }
  /** @type {object[]} */
  const visible = [];
  /** @type {string[]} */
  const frames = [];
  for (let i = 0; i < sites.length; i++) {
    const site = sites[i];
    const file = ReflectApply(getFileName, site, []);
    if (typeof file === "string" && StringPrototypeStartsWith(file, "ext:")) continue;
    let text = ReflectApply(toText, site, []);
    if (isMapped) text = mapPositions(text);
    if (text === undefined) continue;
    ArrayPrototypePush(visible, site);
    ArrayPrototypePush(frames, `\n    at ${text}`);
  }
  const custom = Error.prepareStackTrace;
  if (typeof custom === "function") return ReflectApply(custom, Error, [error, visible]);
  return headerOf(error) + ArrayPrototypeJoin(frames, "");
}
