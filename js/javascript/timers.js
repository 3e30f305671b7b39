// Timers as Node.js has them: objects that need not keep the program alive. deno_web's are numbers.

import { core, primordials } from "ext:core/mod.js";
import { within } from "ext:faas_javascript/async_local_storage.js";

const {
  Number,
  ObjectDefineProperty,
  PromisePrototypeThen,
  ReflectApply,
  SafeMap,
  SafeSet,
  SetPrototypeForEach,
  SymbolDispose,
  SymbolToPrimitive,
  TypeError,
} = primordials;
const { waitAsync: waitAsyncOfV8 } = Atomics;

// Timers whose number was asked for, which clears them, too.
/** @type {Map<number, Timeout>} */
const byNumber = new SafeMap();

// Timers and immediates that have not fired, if they are to be cleared at the end of the program, since
// another one will go on from there.
/** @type {Set<Timeout> | null} */
let waiting = null;
/** @type {Set<Immediate> | null} */
let immediates = null;

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
      } catch (error) {
        // The error ends the program, before deno_core is done with the timer.
        if (waiting !== null) clear(this);
        throw error;
      } finally {
        if (!isRepeated && this.#isNumbered && this.#timer._destroyed) {
          byNumber.delete(this.#number);
        }
      }
      // One that was refreshed waits again.
      if (waiting !== null && !isRepeated && this.#timer._idleNext === null) waiting.delete(this);
    };
    this.#timer = core.createTimer(this.#fire, Number(delay), undefined, isRepeated, true);
    waiting?.add(this);
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
      waiting?.add(this);
    } else {
      core.refreshTimer(timer);
    }
    return this;
  }
  close() {
    this.#isCleared = true;
    core.cancelTimer(this.#timer);
    if (this.#isNumbered) byNumber.delete(this.#number);
    waiting?.delete(this);
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
    this._onImmediate = () => {
      immediates?.delete(this);
      within(context, callback, globalThis, args);
    };
    immediates?.add(this);
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
  if (immediates !== null) immediates.delete(/** @type {Immediate} */ (immediate));
}

// From now on, remembers what waits.
export function watchTimers() {
  waiting ??= new SafeSet();
  immediates ??= new SafeSet();
}

// Clears what waits. Returns what `fireTimers` does: lists of timers stay, though they are empty.
/** @type {() => number} */
export function clearTimers() {
  if (waiting !== null) SetPrototypeForEach(waiting, clear);
  if (immediates !== null) {
    // deno_core has queues of its own, from which those go that have run.
    SetPrototypeForEach(immediates, (immediate) => {
      immediate._onImmediate = () => {};
    });
    core.runImmediates();
    core.runImmediates();
    // Those that an error had it lose.
    SetPrototypeForEach(immediates, core.clearImmediate);
    immediates.clear();
  }
  return core.__processTimers(0);
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
    if (isWaiting) timer = setTimeout(look, 1);
  };
  timer = setTimeout(look, timeout);
  PromisePrototypeThen(result.value, () => {
    isWaiting = false;
    clear(timer);
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
