// Replaces built-ins that the extensions' JavaScript might call, to catch its internals.
// Known from: attacks on Deno's and Node's internals through unprotected prototypes ("primordials").
// expect: success
const caught = new Set();
const look = (value) => {
  try {
    if (typeof value === "function" && /^(bound )?(async_)?op_/.test(value.name)) caught.add("ESCAPED: " + value.name);
    if (value && typeof value === "object" && (value.ops || value.op_panic || value.opAsync)) caught.add("ESCAPED: ops");
  } catch {}
};
const apply = Reflect.apply;
for (const [holder, names] of [
  [Function.prototype, ["call", "apply", "bind"]], [Array.prototype, ["map", "push", "shift", "forEach", "join", "slice", "splice", "includes"]],
  [Map.prototype, ["get", "set", "has", "delete"]], [WeakMap.prototype, ["get", "set"]], [Promise.prototype, ["then", "catch", "finally"]],
  [Promise, ["resolve", "all"]], [Reflect, ["apply", "has", "ownKeys", "construct"]], [Object, ["assign", "defineProperty", "keys", "create", "freeze"]],
  [String.prototype, ["slice", "replace", "split"]], [RegExp.prototype, ["exec", "test"]], [Symbol, ["for"]], [JSON, ["stringify", "parse"]],
]) for (const name of names) {
  const original = holder[name];
  try { holder[name] = function (...values) { look(this); for (let i = 0; i < values.length; i++) look(values[i]); return apply(original, this, values); }; } catch {}
}
const keys = ["get", "set", "then", "value", "done", "next", "writable", "core", "ops", "signal", "type", "detail", "0"];
for (const key of keys) try { Object.defineProperty(Object.prototype, key, { configurable: true, get() { look(this); }, set(value) { look(value); look(this); } }); } catch {}
for (const call of [
  () => new URL("http://a/"), () => new TextDecoder().decode(new Uint8Array(2)), () => atob("YQ=="), () => structuredClone({ a: 1 }), () => console.log("x"),
  () => setTimeout(() => {}, 1), () => new Blob(["x"]).text(), () => new EventTarget().dispatchEvent(new Event("x")), () => new AbortController().abort(),
  () => crypto.getRandomValues(new Uint8Array(2)), () => crypto.randomUUID(), () => new ReadableStream({}).getReader(), () => performance.mark("x"),
]) { try { await call(); } catch {} }
for (const key of keys) delete Object.prototype[key];
console.log([...caught].join("\n") || "nothing");
