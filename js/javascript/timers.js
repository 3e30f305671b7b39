// Timers as Node.js has them: objects that need not keep the program alive. deno_web's are numbers.

import { core, primordials } from "ext:core/mod.js";
import { within } from "ext:faas_javascript/async_local_storage.js";

const {
  Number,
  ObjectDefineProperty,
  PromisePrototypeThen,
  ReflectApply,
  SafeMap,
  SymbolDispose,
  SymbolToPrimitive,
  TypeError,
} = primordials;
const { waitAsync: waitAsyncOfV8 } = Atomics;

// Timers whose number was asked for, which clears them, too.
/** @type {Map<number, Timeout>} */
const byNumber = new SafeMap();

class Timeout {
  /** @type {any} */
  #timer;
  #fire;
  #isRepeated;
  #isRefed = true;
  #isCleared = false;
  #isNumbered = false;
  #number = 0;

  /**
   * @param {Function} callback
   * @param {unknown} delay
   * @param {unknown[]} args
   * @param {boolean} isRepeated
   */
  constructor(callback, delay, args, isRepeated) {
    if (typeof callback !== "function") {
      /** @type {TypeError & { code?: string }} */
      const error = new TypeError(
        `The "callback" argument must be of type function. Received ${callback === null ? "null" : `type ${typeof callback}`}`,
      );
      error.code = "ERR_INVALID_ARG_TYPE";
      throw error;
    }
    const context = core.getAsyncContext();
    this.#isRepeated = isRepeated;
    this.#fire = () => {
      try {
        within(context, callback, this, args);
      } finally {
        if (!isRepeated && this.#isNumbered && this.#timer._destroyed) {
          byNumber.delete(this.#number);
        }
      }
    };
    this.#timer = core.createTimer(this.#fire, Number(delay), undefined, isRepeated, true);
    this.#number = this.#timer._timerId;
  }
  ref() {
    this.#isRefed = true;
    core.refTimer(this.#timer);
    return this;
  }
  unref() {
    this.#isRefed = false;
    core.unrefTimer(this.#timer);
    return this;
  }
  hasRef() {
    return this.#isRefed;
  }
  // Begins to wait again, also after it has fired.
  refresh() {
    if (this.#isCleared) return this;
    const timer = this.#timer;
    if (timer._destroyed) {
      this.#timer = core.createTimer(
        this.#fire,
        timer._idleTimeout,
        undefined,
        this.#isRepeated,
        this.#isRefed,
      );
    } else {
      core.refreshTimer(timer);
    }
    return this;
  }
  close() {
    this.#isCleared = true;
    core.cancelTimer(this.#timer);
    if (this.#isNumbered) byNumber.delete(this.#number);
    return this;
  }
  [SymbolDispose]() {
    this.close();
  }
  [SymbolToPrimitive]() {
    this.#isNumbered = true;
    byNumber.set(this.#number, this);
    return this.#number;
  }
  /** @type {(timer: unknown) => void} */
  static clear(timer) {
    if (typeof timer === "object" && timer !== null) {
      if (#timer in timer) timer.close();
    } else if (typeof timer === "number" || typeof timer === "string") {
      byNumber.get(Number(timer))?.close();
    }
  }
}
const { clear } = Timeout;
// @ts-expect-error: programs see the class, by way of `constructor`.
delete Timeout.clear;

/** @type {(callback: Function, delay?: unknown, ...args: unknown[]) => Timeout} */
export function setTimeout(callback, delay, ...args) {
  return new Timeout(callback, delay, args, false);
}
/** @type {(callback: Function, delay?: unknown, ...args: unknown[]) => Timeout} */
export function setInterval(callback, delay, ...args) {
  return new Timeout(callback, delay, args, true);
}
/** @type {(timer: unknown) => void} */
export function clearTimeout(timer) {
  clear(timer);
}
/** @type {(timer: unknown) => void} */
export function clearInterval(timer) {
  clear(timer);
}

class Immediate {
  /**
   * @param {Function} callback
   * @param {unknown[]} args
   */
  constructor(callback, args) {
    const context = core.getAsyncContext();
    /** @type {unknown} */
    this._idleNext = null;
    /** @type {unknown} */
    this._idlePrev = null;
    this._onImmediate = () => void within(context, callback, globalThis, args);
    /** @type {unknown} */
    this._argv = undefined;
    this._destroyed = false;
    this[core.kRefed] = true;
    core.immediateRefCount(true);
    core.queueImmediate(this);
  }
}

/** @type {(callback: Function, ...args: unknown[]) => Immediate} */
export function setImmediate(callback, ...args) {
  if (typeof callback !== "function") {
    throw new TypeError('The "callback" argument must be of type function');
  }
  return new Immediate(callback, args);
}
/** @type {(immediate: unknown) => void} */
export function clearImmediate(immediate) {
  core.clearImmediate(immediate);
}

// V8 ends a wait in a task that nothing announces: the event loop, which sleeps until the next timer, is
// woken by one.
/** @type {(...args: any[]) => any} */
function waitAsync(...args) {
  const result = ReflectApply(waitAsyncOfV8, Atomics, args);
  const timeout = Number(args[3]);
  if (!result.async || !(timeout < Infinity)) return result;
  let isWaiting = true;
  /** @type {any} */
  let timer;
  const look = () => {
    if (isWaiting) timer = core.createTimer(look, 1, undefined, false, true);
  };
  timer = core.createTimer(look, timeout, undefined, false, true);
  PromisePrototypeThen(result.value, () => {
    isWaiting = false;
    core.cancelTimer(timer);
  });
  return result;
}
ObjectDefineProperty(waitAsync, "length", { __proto__: null, value: 4, configurable: true });
ObjectDefineProperty(Atomics, "waitAsync", {
  __proto__: null,
  value: waitAsync,
  writable: true,
  configurable: true,
});
