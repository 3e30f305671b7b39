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
  SafeWeakMap,
  StringPrototypeIndexOf,
  StringPrototypeLastIndexOf,
  StringPrototypeSlice,
  StringPrototypeStartsWith,
  Uint32Array,
} = primordials;

// Names that programs look for and do not find, and what to do instead.
const NO_NETWORK = "it has no network";
const NO_BROWSER = "it is not a browser";
const NO_MODULES = "there are no modules to load; put everything into the code that is sent";
const NO_HANDLERS =
  "use try and catch, or a handler of the promise; an error that nobody catches ends the program";
const FILES = "use the global `files`: files.list(), files.text(name), files.write(name, data)";
/** @type {Record<string, string | null>} */
const MISSING = {
  __proto__: null,
  $: NO_MODULES,
  AsyncResource: "use AsyncLocalStorage, which is a global",
  Audio: NO_BROWSER,
  BroadcastChannel: "use MessageChannel or EventTarget",
  Buffer: "use Uint8Array, TextEncoder, atob and btoa",
  Bun: "",
  Deno: "",
  DOMParser: NO_BROWSER,
  Element: NO_BROWSER,
  EventEmitter: "use EventTarget",
  EventSource: NO_NETWORK,
  FormData: "it has no network; use URLSearchParams or a Map",
  HTMLElement: NO_BROWSER,
  Headers: "it has no network; use a Map",
  Image: NO_BROWSER,
  React: `${NO_MODULES}; for JSX of your own, name a function: /** @jsx h */`,
  ReactDOM: NO_MODULES,
  Request: NO_NETWORK,
  Response: NO_NETWORK,
  SharedWorker: "it has one thread; use promises",
  WebSocket: NO_NETWORK,
  Worker: "it has one thread; use promises",
  XMLHttpRequest: NO_NETWORK,
  _: NO_MODULES,
  __dirname: "it has no files of the host; use the global `files`",
  __filename: "it has no files of the host; use the global `files`",
  addEventListener: NO_HANDLERS,
  alert: "use console.log",
  assert: "use console.assert, or throw an Error",
  async_hooks: "AsyncLocalStorage is a global",
  axios: NO_NETWORK,
  caches: "it keeps nothing",
  child_process: "it has no other processes",
  cluster: "it has no other processes",
  confirm: "send `input` with the request, and read input_data",
  cookieStore: "it keeps nothing",
  customElements: NO_BROWSER,
  dayjs: `${NO_MODULES}; Date and Intl are there`,
  dispatchEvent: "use an EventTarget of your own",
  document: NO_BROWSER,
  events: "use EventTarget",
  exports: "use return_val or a top-level return",
  fetch: NO_NETWORK,
  fs: FILES,
  getComputedStyle: NO_BROWSER,
  global: "use globalThis",
  history: NO_BROWSER,
  http: NO_NETWORK,
  https: NO_NETWORK,
  importScripts: NO_MODULES,
  indexedDB: "it keeps nothing",
  jQuery: NO_MODULES,
  localStorage: "it keeps nothing; use a Map",
  location: NO_BROWSER,
  lodash: NO_MODULES,
  matchMedia: NO_BROWSER,
  module: "use return_val or a top-level return",
  moment: `${NO_MODULES}; Date and Intl are there`,
  navigator: NO_BROWSER,
  net: NO_NETWORK,
  os: "it has nothing of the host",
  path: NO_MODULES,
  postMessage: "use MessageChannel; use return_val to answer the caller",
  process:
    "use console.log to print, input_data for arguments, performance.now() for time, and a top-level return to end",
  prompt: "send `input` with the request, and read input_data",
  querystring: "use URLSearchParams",
  readline: "send `input` with the request, and read input_data",
  removeEventListener: NO_HANDLERS,
  reportError: "throw the error",
  requestAnimationFrame: "it is not a browser; use setTimeout",
  requestIdleCallback: "use setTimeout",
  require: `${NO_MODULES}; files are read with the global \`files\``,
  scheduler: "use setTimeout",
  screen: NO_BROWSER,
  self: "use globalThis",
  sessionStorage: "it keeps nothing; use a Map",
  stream: "use ReadableStream, WritableStream and TransformStream",
  util: "console.log shows values as util.inspect does; use structuredClone, TextEncoder and Promise",
  window: "it is not a browser; use globalThis",
  worker_threads: "it has one thread; use promises",
};

// What a call site says of itself, taken from the first one there is, while the realm warms up:
// before user code could tamper with it.
/** @type {Function} */
let getColumnNumber;
/** @type {Function} */
let getEvalOrigin;
/** @type {Function} */
let getFileName;
/** @type {Function} */
let getLineNumber;
/** @type {Function} */
let getScriptNameOrSourceURL;
/** @type {Function} */
let isEval;
/** @type {Function} */
let toText;

/** @typedef {{ text: string; place: { line: number; column: number } | undefined }} Frame */

const position = new Uint32Array(2);

// Where errors were made, in the source that was sent: of the first frame that is there.
/** @type {WeakMap<object, { line: number; column: number }>} */
const places = new SafeWeakMap();

/** @type {(error: unknown) => { line: number; column: number } | undefined} */
export function placeOf(error) {
  return places.get(/** @type {object} */ (error));
}

/**
 * The place in the source that was sent; undefined for code that the TypeScript compiler added.
 * @type {(line: number, column: number, isMapped: boolean) => { line: number; column: number } | undefined}
 */
function originalOf(line, column, isMapped) {
  if (!isMapped) return { line, column };
  if (!op_faas_original_position(line, column, position)) return undefined;
  return { line: position[0], column: position[1] };
}

// A frame of evaluated text, "eval (eval at f (<code>:3:1), <anonymous>:1:7)": V8 counts the place of the
// call from the beginning of what was compiled, one line before the program.
/** @type {(text: string, origin: unknown, isMapped: boolean) => Frame | undefined} */
function frameOfEval(text, origin, isMapped) {
  if (typeof origin !== "string") return { text, place: undefined };
  const match = RegExpPrototypeExec(new SafeRegExp("<code>:(\\d+):(\\d+)\\)"), origin);
  const start = match === null ? -1 : StringPrototypeIndexOf(text, origin);
  if (match === null || start < 0) return { text, place: undefined };
  const place = originalOf(Number(match[1]) - 1, Number(match[2]), isMapped);
  if (place === undefined) return undefined;
  const from = start + match.index;
  const to = from + match[0].length - 1;
  return { text: replaced(text, from, to, place), place };
}

// A frame of the program: its place goes in for the one of what was compiled, and `<code>` for a name
// that a comment gave it (`sourceURL`).
/** @type {(text: string, site: object, isMapped: boolean) => Frame | undefined} */
function frameOfProgram(text, site, isMapped) {
  let line = ReflectApply(getLineNumber, site, []);
  const column = ReflectApply(getColumnNumber, site, []);
  const name = ReflectApply(getScriptNameOrSourceURL, site, []);
  const shown = `${name}:${line}:${column}`;
  // V8 counts the lines of such a script from the beginning of what was compiled.
  if (name !== "<code>") line--;
  const from = StringPrototypeLastIndexOf(text, shown);
  if (from < 0) return { text, place: undefined };
  const place = originalOf(line, column, isMapped);
  if (place === undefined) return undefined;
  return { text: replaced(text, from, from + shown.length, place), place };
}

/** @type {(text: string, from: number, to: number, place: { line: number; column: number }) => string} */
function replaced(text, from, to, place) {
  const before = StringPrototypeSlice(text, 0, from);
  return `${before}<code>:${place.line}:${place.column}${StringPrototypeSlice(text, to)}`;
}

/** @type {(site: object, file: unknown, isMapped: boolean) => Frame | undefined} */
function frameOf(site, file, isMapped) {
  const text = ReflectApply(toText, site, []);
  if (ReflectApply(isEval, site, [])) {
    return frameOfEval(text, ReflectApply(getEvalOrigin, site, []), isMapped);
  }
  if (file !== "<code>") return { text, place: undefined };
  return frameOfProgram(text, site, isMapped);
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
    new SafeRegExp("^ReferenceError: ([\\w$]+) is not defined$"),
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
    ({
      getColumnNumber,
      getEvalOrigin,
      getFileName,
      getLineNumber,
      getScriptNameOrSourceURL,
      isEval,
      toString: toText,
    } = ObjectGetPrototypeOf(sites[0]));
  }
  /** @type {object[]} */
  const visible = [];
  /** @type {string[]} */
  const frames = [];
  /** @type {Frame["place"]} */
  let place;
  for (let i = 0; i < sites.length; i++) {
    const site = sites[i];
    const file = ReflectApply(getFileName, site, []);
    if (typeof file === "string" && StringPrototypeStartsWith(file, "ext:")) continue;
    const frame = frameOf(site, file, isMapped);
    if (frame === undefined) continue;
    place ??= frame.place;
    ArrayPrototypePush(visible, site);
    ArrayPrototypePush(frames, `\n    at ${frame.text}`);
  }
  if (place !== undefined && typeof error === "object" && error !== null) places.set(error, place);
  const custom = Error.prepareStackTrace;
  if (typeof custom === "function") return ReflectApply(custom, Error, [error, visible]);
  return headerOf(error) + ArrayPrototypeJoin(frames, "");
}
