// The globals that Pyodide finds: those of its "shell" environment (a bare V8 with `read`,
// `readbuffer` and `load`), plus what Emscripten and CPython need to work: clocks, entropy,
// timers that really wait, text codecs, a console.

import { core } from "ext:core/mod.js";
import {
  op_faas_acknowledge_stop,
  op_faas_await_tools,
  op_faas_boot_file,
  op_faas_call_tool,
  op_faas_compiled,
  op_faas_cpu_time,
  op_faas_decode_latin1,
  op_faas_decode_utf16,
  op_faas_end_interruptible,
  op_faas_finish,
  op_faas_input_files,
  op_faas_interrupt_buffer,
  op_faas_invocation,
  op_faas_now,
  op_faas_in_wheelhouse,
  op_faas_imports,
  op_faas_package,
  op_faas_pbkdf2,
  op_faas_provider,
  op_faas_pump,
  op_faas_put_file,
  op_faas_random,
  op_faas_represent,
  op_faas_represent_bytes,
  op_faas_scrypt,
  op_faas_set_alarm,
  op_faas_show,
  op_faas_sleep,
  op_faas_stay,
  op_faas_stop_requested,
  op_faas_take_alarm,
  op_faas_take_interrupt,
  op_faas_unpacked,
  op_faas_write,
} from "ext:core/ops";
import { createRandom } from "ext:faas_python/random.js";
import { createTimers } from "ext:faas_python/timers.js";

const { decode, encode } = core;
const timers = createTimers(op_faas_now);

/** @type {(source: ArrayBufferView | ArrayBuffer) => Uint8Array} */
function bytesOf(source) {
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
}

/**
 * @template {ArrayBufferView} T
 * @param {T} view
 */
function fillRandom(view) {
  op_faas_random(bytesOf(view));
  return view;
}

class TextEncoder {
  encoding = "utf-8";
  encode(text = "") {
    return encode(String(text));
  }
  /**
   * @param {unknown} text
   * @param {Uint8Array} target
   */
  encodeInto(text, target) {
    let read = 0;
    let written = 0;
    for (const character of String(text)) {
      const bytes = encode(character);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      read += character.length;
      written += bytes.length;
    }
    return { read, written };
  }
}

/** @type {Record<string, ((bytes: Uint8Array) => string) | null>} */
const decoders = {
  // Programs choose the key, and may not get at the table itself, nor at an op.
  __proto__: null,
  "utf-8": decode,
  "utf-16le": (bytes) => op_faas_decode_utf16(bytes),
  // Pyodide means ISO 8859-1 by it; the web's table differs in 0x80 to 0x9f.
  latin1: (bytes) => op_faas_decode_latin1(bytes),
};

class TextDecoder {
  constructor(encoding = "utf-8") {
    this.encoding = String(encoding)
      .toLowerCase()
      .replace(/^utf8$/, "utf-8");
    if (!Object.hasOwn(decoders, this.encoding)) {
      const known = Object.keys(decoders).join(", ");
      throw new RangeError(`The sandbox decodes ${known}, not "${encoding}"`);
    }
  }
  decode(source = new Uint8Array()) {
    const decoder = /** @type {typeof decode} */ (decoders[this.encoding]);
    return decoder(bytesOf(source));
  }
}

/** @type {(descriptor: number) => (...values: unknown[]) => void} */
function printer(descriptor) {
  return (...values) => op_faas_write(descriptor, encode(values.map(String).join(" ") + "\n"));
}

const toStdout = printer(1);
const toStderr = printer(2);
const { random, reseed } = createRandom(fillRandom);
Math.random = random;

/** @type {(name: string, value: unknown) => void} */
function define(name, value) {
  Object.defineProperty(globalThis, name, {
    value,
    writable: true,
    configurable: true,
    enumerable: false,
  });
}

define("performance", { now: () => op_faas_now(), timeOrigin: Date.now() - op_faas_now() });
define("crypto", { getRandomValues: fillRandom });
define("TextEncoder", TextEncoder);
define("TextDecoder", TextDecoder);
define("setTimeout", timers.setTimeout);
define("setInterval", timers.setInterval);
define("clearTimeout", timers.clear);
define("clearInterval", timers.clear);
define("console", {
  log: toStdout,
  info: toStdout,
  debug: toStdout,
  warn: toStderr,
  error: toStderr,
  trace: toStderr,
});

// Lets everything happen that is due: promises, V8's own tasks, timers.
function pump() {
  op_faas_pump();
  if (timers.fire() > 0) op_faas_pump();
}

// Sleeps until the next timer, at most `limit` ms. False when nothing could ever happen: no timer
// left, and no limit either.
/** @type {(limit: number) => boolean} */
function wait(limit) {
  const due = Math.min(timers.next(), op_faas_now() + limit);
  if (due === Infinity) return false;
  op_faas_sleep(due - op_faas_now());
  return true;
}

// Waits for answers to calls of tools, at most until the next timer or for `limit` ms. Returns them as JSON text.
/** @type {(limit: number) => string} */
function awaitTools(limit) {
  return op_faas_await_tools(Math.min(timers.next() - op_faas_now(), limit));
}

/** @typedef {typeof host} Host */
const host = {
  acknowledgeStop: () => op_faas_acknowledge_stop(),
  awaitTools,
  /** @type {(number: number, tool: string, input: string) => void} */
  callTool: (number, tool, input) => op_faas_call_tool(number, tool, input),
  compiled: () => op_faas_compiled(),
  clearTimers: timers.clearAll,
  cpuTime: () => op_faas_cpu_time(),
  endInterruptible: () => op_faas_end_interruptible(),
  /** @type {(exitCode: number, returnValue?: string | null, limit?: Limit | null) => void} */
  finish: (exitCode, returnValue, limit) =>
    op_faas_finish(exitCode, returnValue ?? null, limit ?? null),
  /** @type {(modules: string) => void} */
  imports: (modules) => op_faas_imports(modules),
  inputFiles: () => op_faas_input_files(),
  invocation: () => op_faas_invocation(),
  interruptBuffer: () => new Uint8Array(op_faas_interrupt_buffer()),
  now: () => op_faas_now(),
  /** @type {(name: string) => boolean} */
  inWheelhouse: (name) => op_faas_in_wheelhouse(name),
  /** @type {(kind: string, name: string, file: string) => Uint8Array} */
  package: (kind, name, file) => op_faas_package(kind, name, file),
  /** @type {(hash: string, password: Uint8Array, salt: Uint8Array, rounds: number, length: number) => Uint8Array} */
  pbkdf2: (hash, password, salt, rounds, length) =>
    op_faas_pbkdf2(hash, password, salt, rounds, length),
  // Pyodide makes None of undefined only.
  /** @type {(module: string) => string | undefined} */
  provider: (module) => op_faas_provider(module) ?? undefined,
  pump,
  /** @type {(name: string, contents: Uint8Array) => void} */
  putFile: (name, contents) => op_faas_put_file(name, contents),
  /** @type {(path: string) => Uint8Array} */
  readFile: (path) => op_faas_boot_file(path),
  /** @type {(path: string) => string} */
  readText: (path) => decode(op_faas_boot_file(path)),
  /** @type {(mediaType: string, text: string, isJson: boolean) => void} */
  represent: (mediaType, text, isJson) => op_faas_represent(mediaType, text, isJson),
  /** @type {(mediaType: string, bytes: Uint8Array) => void} */
  representBytes: (mediaType, bytes) => op_faas_represent_bytes(mediaType, bytes),
  reseed,
  /** @type {(password: Uint8Array, salt: Uint8Array, n: number, r: number, p: number, length: number) => Uint8Array} */
  scrypt: (password, salt, n, r, p, length) => op_faas_scrypt(password, salt, n, r, p, length),
  /** @type {(milliseconds: number, interval: number) => void} */
  setAlarm: (milliseconds, interval) => op_faas_set_alarm(milliseconds, interval),
  // Without a picture that is a file, too, Python gives None, which is undefined here.
  /** @type {(isMain: boolean, artifact?: string) => void} */
  show: (isMain, artifact) => op_faas_show(isMain, artifact ?? null),
  /** @type {(milliseconds: number) => boolean} */
  sleep: (milliseconds) => op_faas_sleep(milliseconds),
  stay: () => op_faas_stay(),
  stopRequested: () => op_faas_stop_requested(),
  takeAlarm: () => op_faas_take_alarm(),
  takeInterrupt: () => op_faas_take_interrupt(),
  // Empty if there is nothing.
  /** @type {(isOfDistribution: boolean, file: string) => Uint8Array} */
  unpacked: (isOfDistribution, file) => op_faas_unpacked(isOfDistribution, file),
  wait,
  /** @type {(descriptor: number, bytes: Uint8Array) => void} */
  write: (descriptor, bytes) => op_faas_write(descriptor, bytes),
};
// For the boot module, which takes it away again.
define("__faas", host);
