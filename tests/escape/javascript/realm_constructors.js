// Climbs from every object to a Function constructor, of every kind of function, and asks it for the host.
// Known from: vm2 and AngularJS escapes.
// expect: success
const kinds = [function () {}, async function () {}, function* () {}, async function* () {}, () => 1, class {}, console.log, setTimeout,
  structuredClone, URL, TextDecoder, AbortController, queueMicrotask, eval, Proxy, WebAssembly.Module, Object.getOwnPropertyDescriptor(Map.prototype, "size").get];
const objects = [globalThis, console, performance, crypto, Math, JSON, Reflect, Intl, WebAssembly, Atomics, new URL("x:y"), new AbortController().signal,
  new TextEncoder(), [].values(), Promise.resolve(), new Error(), Symbol(), arguments0()];
function arguments0() { return arguments; }
for (const thing of [...kinds, ...objects]) {
  for (const name of ["Deno", "process", "require", "__bootstrap", "core", "ops", "primordials", "internals"]) {
    for (const Make of [thing?.constructor, thing?.constructor?.constructor, thing?.__proto__?.constructor?.constructor]) {
      try {
        let value = Make(`return typeof ${name} + typeof this?.${name}`)();
        value = await (value?.next ? value.next() : value);
        const text = String(value?.value ?? value);
        if (text !== "undefinedundefined" && /^(undefined|object|function)+$/.test(text)) console.log("ESCAPED:", name, text);
      } catch {}
    }
  }
}
