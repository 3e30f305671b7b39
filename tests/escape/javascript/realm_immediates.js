// Ties the event loop's own lists, which hang on timers and immediates, into knots.
// Known from: Node's and Deno's linked lists of timers, whose links are plain properties.
// timeout: 1500
const all = [];
for (let i = 0; i < 20; i++) all.push(setImmediate(() => console.log("immediate", i)), setTimeout(() => console.log("timer", i), i));
for (const item of all) {
  for (const key of Reflect.ownKeys(Object(item))) {
    try { item[key] = all[3]; } catch {}
  }
}
for (const key of ["_idleNext", "_idlePrev", "_onImmediate", "_onTimeout", "_destroyed", "asyncId", "_repeat", "priorityQueuePosition", "_argv", "callback", "snapshot"]) {
  try { Object.defineProperty(Object.prototype, key, { configurable: true, get() { return all[0]; }, set(value) {} }); } catch {}
}
const cycle = setImmediate(() => console.log("cycle"));
try { cycle._idleNext = cycle; cycle._idlePrev = cycle; cycle._destroyed = false; } catch {}
for (let i = 0; i < 1000; i++) { clearImmediate(cycle); try { cycle._destroyed = false; } catch {} }
setTimeout(() => console.log("still here"), 5);
