// The globals of a JavaScript program: what ECMAScript lacks and both browsers and Node.js have, by
// way of deno_web. Everything is loaded while the zygote boots; what runs later is user code.

import { core, primordials } from "ext:core/mod.js";
import { op_faas_now, op_faas_print, op_faas_random } from "ext:core/ops";
import { AsyncLocalStorage } from "ext:faas_javascript/async_local_storage.js";
import { createConsole } from "ext:faas_javascript/console.js";
import { Crypto, crypto, CryptoKey, SubtleCrypto } from "ext:faas_javascript/crypto.js";
import { display } from "ext:faas_javascript/display.js";
import { createFiles } from "ext:faas_javascript/files.js";
import { stdin } from "ext:faas_javascript/invocation.js";
import { createRandom } from "ext:faas_javascript/random.js";
import {
  begin,
  clear,
  declare,
  fail,
  finish,
  returnVal,
  tend,
} from "ext:faas_javascript/runner.js";
import { formatStack } from "ext:faas_javascript/stack.js";
import { settleCall } from "ext:faas_javascript/tools.js";
import * as timers from "ext:faas_javascript/timers.js";
import { URL } from "ext:faas_javascript/url.js";

const {
  FunctionPrototypeToString,
  ObjectDefineProperty,
  ObjectValues,
  StringPrototypeIncludes,
  TypeError,
  Uint8Array,
} = primordials;

/** @type {(name: string) => any} */
const load = (name) => core.loadExtScript(`ext:deno_web/${name}.js`);
const base64 = load("05_base64");
const compression = load("14_compression");
const abort = load("03_abort_signal");
const domException = load("01_dom_exception");
const encoding = load("08_text_encoding");
const event = load("02_event");
const file = load("09_file");
const fileReader = load("10_filereader");
const messagePort = load("13_message_port");
const performance = load("15_performance");
const streams = load("06_streams");
const url = load("00_url");
const urlPattern = load("01_urlpattern");
load("00_infra");
load("01_console");
load("01_mimesniff");
load("02_structured_clone");
load("02_timers");

const { random, reseed } = createRandom((array) => {
  op_faas_random(new Uint8Array(array.buffer));
  return array;
});

const globals = {
  AsyncLocalStorage,
  AbortController: abort.AbortController,
  AbortSignal: abort.AbortSignal,
  Blob: file.Blob,
  ByteLengthQueuingStrategy: streams.ByteLengthQueuingStrategy,
  CompressionStream: compression.CompressionStream,
  CountQueuingStrategy: streams.CountQueuingStrategy,
  Crypto,
  CryptoKey,
  CustomEvent: event.CustomEvent,
  DOMException: domException.DOMException,
  DecompressionStream: compression.DecompressionStream,
  ErrorEvent: event.ErrorEvent,
  Event: event.Event,
  EventTarget: event.EventTarget,
  File: file.File,
  FileReader: fileReader.FileReader,
  MessageChannel: messagePort.MessageChannel,
  MessageEvent: event.MessageEvent,
  MessagePort: messagePort.MessagePort,
  Performance: performance.Performance,
  PerformanceEntry: performance.PerformanceEntry,
  PerformanceMark: performance.PerformanceMark,
  PerformanceMeasure: performance.PerformanceMeasure,
  PerformanceObserver: performance.PerformanceObserver,
  PerformanceObserverEntryList: performance.PerformanceObserverEntryList,
  ProgressEvent: event.ProgressEvent,
  ReadableByteStreamController: streams.ReadableByteStreamController,
  ReadableStream: streams.ReadableStream,
  ReadableStreamBYOBReader: streams.ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest: streams.ReadableStreamBYOBRequest,
  ReadableStreamDefaultController: streams.ReadableStreamDefaultController,
  ReadableStreamDefaultReader: streams.ReadableStreamDefaultReader,
  SubtleCrypto,
  TextDecoder: encoding.TextDecoder,
  TextDecoderStream: encoding.TextDecoderStream,
  TextEncoder: encoding.TextEncoder,
  TextEncoderStream: encoding.TextEncoderStream,
  TransformStream: streams.TransformStream,
  TransformStreamDefaultController: streams.TransformStreamDefaultController,
  URL,
  URLPattern: urlPattern.URLPattern,
  URLSearchParams: url.URLSearchParams,
  WritableStream: streams.WritableStream,
  WritableStreamDefaultController: streams.WritableStreamDefaultController,
  WritableStreamDefaultWriter: streams.WritableStreamDefaultWriter,
  atob: base64.atob,
  btoa: base64.btoa,
  clearImmediate: timers.clearImmediate,
  clearInterval: timers.clearInterval,
  clearTimeout: timers.clearTimeout,
  console: createConsole(op_faas_print, op_faas_now),
  crypto,
  display,
  files: createFiles(),
  performance: performance.performance,
  queueMicrotask: globalThis.queueMicrotask,
  return_val: returnVal,
  setImmediate: timers.setImmediate,
  setInterval: timers.setInterval,
  setTimeout: timers.setTimeout,
  stdin,
  structuredClone: messagePort.structuredClone,
};
for (const [name, value] of Object.entries(globals)) {
  if (value === undefined) throw new TypeError(`deno_web has no ${name}`);
  Object.defineProperty(globalThis, name, {
    value,
    writable: true,
    configurable: true,
    enumerable: false,
  });
}
Object.defineProperty(Math, "random", {
  value: random,
  writable: true,
  configurable: true,
  enumerable: false,
});

// Errors of ops that are to be DOMExceptions, as deno_web names them.
for (const name of [
  "AbortError",
  "DataError",
  "IndexSizeError",
  "InvalidCharacterError",
  "InvalidStateError",
  "NetworkError",
  "NotSupportedError",
  "OperationError",
  "QuotaExceededError",
  "SyntaxError",
]) {
  core.registerErrorBuilder(
    `DOMException${name}`,
    (message) => new domException.DOMException(message, name),
  );
}

// An error that nobody caught ends the program, wherever it comes from; for rejections see
// src/engine/javascript/rejections.rs.
core.setReportExceptionCallback((error) => fail(error));
event.saveGlobalThisReference({
  // The event that would go to the global object's listeners, if it could have any.
  /** @param {{ error: unknown }} event */
  dispatchEvent(event) {
    fail(event.error);
    return false;
  },
});

// deno_core's stubs of asynchronous ops say `originalOp.call(...)`, and so look `call` up on a prototype
// that is the program's to change, with the op as `this`. Each such op gets a `call` of its own. Its
// stub is called once, with a `call` that only takes note: the op itself is not run.
const { call } = Function.prototype;
/** @this {Function} */
function keepCall() {
  ObjectDefineProperty(this, "call", { __proto__: null, value: call });
  return null;
}
for (const op of ObjectValues(core.ops)) {
  const isStub =
    typeof op === "function" &&
    !StringPrototypeIncludes(FunctionPrototypeToString(op), "[native code]");
  if (!isStub) continue;
  Function.prototype.call = keepCall;
  try {
    op();
  } finally {
    Function.prototype.call = call;
  }
}

// For the engine, which takes it away again.
globalThis.__faasEngine = {
  begin,
  clear,
  declare,
  fail,
  finish,
  fireTimers: core.__processTimers,
  formatStack,
  reseed,
  resetClock: performance.setTimeOrigin,
  settleCall,
  tend,
};
