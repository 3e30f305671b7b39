// Lists what is global and looks for what should not be.
// Known from: audits of Deno's and Node's globals.
// expect: success
const forbidden = ["Deno", "__bootstrap", "process", "require", "module", "Bun", "read", "readbuffer", "load", "quit", "os", "d8",
  "WorkerGlobalScope", "Worker", "fetch", "WebSocket", "XMLHttpRequest", "EventSource", "importScripts", "gc", "version", "core", "ops",
  "SharedWorker", "localStorage", "indexedDB", "caches", "window", "opener", "top", "frames", "Compartment", "ShadowRealm"];
for (const name of forbidden) {
  if (name in globalThis || (0, eval)(`typeof ${name}`) !== "undefined") console.log("ESCAPED: there is a global", name);
}
for (const name of Reflect.ownKeys(globalThis)) {
  if (/^(op_|__|faas|internal)/i.test(String(name))) console.log("ESCAPED: there is a global", String(name));
}
console.log(Reflect.ownKeys(globalThis).length > 50);
