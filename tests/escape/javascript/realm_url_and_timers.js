// Feeds host-backed functions with every kind of argument.
// Known from: fuzzing native bindings.
// timeout: 5000
const values = [undefined, null, 0, -1, 1e308, NaN, Infinity, 2 ** 53, 10n, "", "\ud800", "x".repeat(1e5), Symbol.iterator, {}, [], () => 1, new Uint8Array(0),
  new Uint8Array(new SharedArrayBuffer(8)), new DataView(new ArrayBuffer(8)), new Proxy({}, {}), { valueOf() { throw 2; } }, { toString() { return {}; } }, Object.create(null)];
const detached = new Uint8Array(8);
detached.buffer.transfer();
const shrunk = new Uint8Array(new ArrayBuffer(8, { maxByteLength: 64 }));
shrunk.buffer.resize(0);
values.push(detached, shrunk);
let calls = 0;
for (const name of ["atob", "btoa", "structuredClone", "setTimeout", "setInterval", "clearTimeout", "queueMicrotask", "reportError", "URL", "URLSearchParams", "TextDecoder", "TextEncoder",
  "Blob", "File", "Event", "CustomEvent", "AbortController", "Headers", "Request", "Response", "ReadableStream", "WritableStream", "CompressionStream", "DecompressionStream", "MessageChannel",
  "FormData", "ImageData", "DOMException", "PerformanceMark", "URLPattern", "EventTarget", "BroadcastChannel", "FileReader"]) {
  const thing = globalThis[name];
  if (!thing) continue;
  for (const a of values) for (const b of values.slice(0, 12)) {
    try { thing(a, b); } catch {}
    try { const made = new thing(a, b); for (const key in made) { try { made[key]; made[key](b); } catch {} } } catch {}
    calls++;
  }
}
console.log(calls > 1000);
for (let id = 0; id < 20000; id++) clearTimeout(id);
