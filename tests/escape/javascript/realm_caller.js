// Walks up the stack with Function.prototype.caller and arguments, from call-backs that internals call.
// Known from: vm2 and Caja escapes through sloppy functions.
// expect: success
const found = new Set();
function climb() {
  let current = climb;
  for (let i = 0; i < 50 && current; i++) {
    let next, values;
    try { next = current.caller; } catch (error) { break; }
    try { values = current.arguments; } catch {}
    for (const value of [next, ...(values ?? [])]) {
      if (typeof value === "function" && /^(async_)?op_/.test(value.name)) found.add("ESCAPED: " + value.name);
      if (value && (value.ops || value.core || value.primordials)) found.add("ESCAPED: internals");
    }
    if (typeof next === "function" && !/<code>|native/.test(next.name) && /primordials|webidl|core\./.test(Function.prototype.toString.call(next))) {
      found.add("ESCAPED: source of " + next.name);
    }
    current = next;
  }
  return 1;
}
const trap = { toString: climb, valueOf: climb, [Symbol.toPrimitive]: climb, get type() { return climb(), "x"; }, get signal() { climb(); }, get bubbles() { return climb(); },
  get start() { return climb; }, pull: climb, transform: climb, write: climb, size: climb, handleEvent: climb, then: climb, get detail() { return climb(); }, toJSON: climb };
for (const call of [
  () => new URL(trap, "http://a"), () => new TextDecoder(trap), () => atob(trap), () => structuredClone(trap), () => console.log(trap), () => console.log("%s %d", trap, trap),
  () => new Blob([trap], trap), () => new Event(trap, trap), () => new CustomEvent("x", trap), () => new URLSearchParams(trap), () => new ReadableStream(trap),
  () => new WritableStream(trap).getWriter().write(1), () => new TransformStream(trap), () => performance.mark(trap, trap), () => performance.measure(trap, trap),
  () => { const target = new EventTarget(); target.addEventListener("x", climb); target.addEventListener("x", trap); target.dispatchEvent(new Event("x")); },
  () => { const control = new AbortController(); control.signal.onabort = climb; control.signal.addEventListener("abort", climb); control.abort(trap); },
  () => new CompressionStream(trap), () => new URLPattern(trap), () => new File([trap], trap, trap), () => new MessageChannel().port1.postMessage(trap),
  () => new Promise(climb), () => [1, 2].sort(climb), () => JSON.stringify(trap), () => "x".replace(/x/, climb), () => setTimeout(climb), () => queueMicrotask(climb),
  () => setImmediate(climb), () => Promise.resolve(trap), () => return_val(1), () => new DOMException(trap, trap), () => crypto.getRandomValues(trap), () => console.table(trap),
]) { try { call(); } catch {} }
await new Promise((resolve) => setTimeout(resolve, 20));
console.log([...found].join("\n") || "nothing");
