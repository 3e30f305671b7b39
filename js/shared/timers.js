// Timers for a realm whose event loop is a blocking call: the code that waits asks for the next due
// time, sleeps that long and fires what is due.

/** @param {() => number} now */
export function createTimers(now) {
  const timers = new Map();
  let lastId = 0;

  /**
   * @param {Function} callback
   * @param {unknown} delay
   * @param {unknown[]} args
   * @param {boolean} repeat
   */
  function add(callback, delay, args, repeat) {
    if (typeof callback !== "function") {
      throw new TypeError("The first argument must be a function");
    }
    const wait = Math.max(0, Number(delay) || 0);
    const id = ++lastId;
    timers.set(id, { callback, args, due: now() + wait, every: repeat ? Math.max(1, wait) : 0 });
    return id;
  }

  function next() {
    let due = Infinity;
    for (const timer of timers.values()) due = Math.min(due, timer.due);
    return due;
  }

  return {
    /** @type {(callback: Function, delay?: unknown, ...args: unknown[]) => number} */
    setTimeout: (callback, delay, ...args) => add(callback, delay, args, false),
    /** @type {(callback: Function, delay?: unknown, ...args: unknown[]) => number} */
    setInterval: (callback, delay, ...args) => add(callback, delay, args, true),
    /** @type {(id: number) => void} */
    clear: (id) => void timers.delete(id),
    clearAll: () => timers.clear(),
    next,
    // Fires every timer that is due, in the order of their times. Returns how many.
    fire() {
      const time = now();
      const due = [...timers].filter(([, timer]) => timer.due <= time);
      due.sort(([, a], [, b]) => a.due - b.due);
      for (const [id, timer] of due) {
        if (!timers.has(id)) continue;
        if (timer.every) timer.due = time + timer.every;
        else timers.delete(id);
        timer.callback(...timer.args);
      }
      return due.length;
    },
  };
}
