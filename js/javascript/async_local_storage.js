// `AsyncLocalStorage` of Node.js, as a global since there are no modules: a value that follows a program
// through its promises, timers and call-backs. V8 carries it.

import { core, primordials } from "ext:core/mod.js";

const { ReflectApply } = primordials;

export class AsyncLocalStorage {
  #variable = new core.AsyncVariable();

  /** @type {(callback: Function) => Function} */
  static bind(callback) {
    const context = core.getAsyncContext();
    return (/** @type {unknown[]} */ ...args) => within(context, callback, args);
  }
  /** @type {() => (callback: Function, ...args: unknown[]) => unknown} */
  static snapshot() {
    const context = core.getAsyncContext();
    return (callback, ...args) => within(context, callback, args);
  }
  getStore() {
    return this.#variable.get();
  }
  /** @type {(store: unknown) => void} */
  enterWith(store) {
    this.#variable.enter(store);
  }
  /** @type {(store: unknown, callback: Function, ...args: unknown[]) => unknown} */
  run(store, callback, ...args) {
    const before = this.#variable.enter(store);
    try {
      return ReflectApply(callback, undefined, args);
    } finally {
      core.setAsyncContext(before);
    }
  }
  /** @type {(callback: Function, ...args: unknown[]) => unknown} */
  exit(callback, ...args) {
    const before = this.#variable.enter(undefined);
    try {
      return ReflectApply(callback, undefined, args);
    } finally {
      core.setAsyncContext(before);
    }
  }
  // Forgets the store everywhere.
  disable() {
    this.#variable = new core.AsyncVariable();
  }
}

/** @type {(context: unknown, callback: Function, args: unknown[]) => unknown} */
function within(context, callback, args) {
  const before = core.getAsyncContext();
  core.setAsyncContext(context);
  try {
    return ReflectApply(callback, undefined, args);
  } finally {
    core.setAsyncContext(before);
  }
}
