// `AsyncLocalStorage` of Node.js, as a global since there are no modules: a value that follows a program
// through its promises, timers and call-backs. V8 carries it.

import { core, primordials } from "ext:core/mod.js";

const { ReflectApply } = primordials;

export class AsyncLocalStorage {
  #variable = new core.AsyncVariable();

  /** @type {(callback: Function) => Function} */
  static bind(callback) {
    const context = core.getAsyncContext();
    return (/** @type {unknown[]} */ ...args) => within(context, callback, undefined, args);
  }
  /** @type {() => (callback: Function, ...args: unknown[]) => unknown} */
  static snapshot() {
    const context = core.getAsyncContext();
    return (callback, ...args) => within(context, callback, undefined, args);
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
    return this.#runWith(store, callback, args);
  }
  /** @type {(callback: Function, ...args: unknown[]) => unknown} */
  exit(callback, ...args) {
    return this.#runWith(undefined, callback, args);
  }
  /** @type {(store: unknown, callback: Function, args: unknown[]) => unknown} */
  #runWith(store, callback, args) {
    const before = this.#variable.enter(store);
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

// Calls something as where that context was taken (`core.getAsyncContext`).
/** @type {(context: unknown, callback: Function, receiver: unknown, args: unknown[]) => unknown} */
export function within(context, callback, receiver, args) {
  const before = core.getAsyncContext();
  core.setAsyncContext(context);
  try {
    return ReflectApply(callback, receiver, args);
  } finally {
    core.setAsyncContext(before);
  }
}
