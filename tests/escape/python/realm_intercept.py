# Replaces built-ins that host code might call, to catch its internal functions and receivers.
# Known from: prototype pollution against privileged JavaScript (Deno's and Node's "primordials").
# expect: success
from pyodide.code import run_js

print(run_js(r"""
const caught = new Set();
const look = (value) => {
  try {
    if (typeof value === "function" && /^(op_|bound op_)/.test(value.name)) caught.add("ESCAPED: " + value.name);
    if (value && typeof value === "object" && (value.ops || value.core || value.op_panic)) caught.add("ESCAPED: an object with ops");
  } catch {}
};
const wrap = (holder, name) => {
  const original = holder[name];
  if (typeof original !== "function") return;
  try {
    holder[name] = function (...values) { look(this); values.forEach?.call ? 0 : 0; for (let i = 0; i < values.length; i++) look(values[i]); return Reflect.apply(original, this, values); };
  } catch {}
};
const apply = Reflect.apply;
for (const [holder, names] of [
  [Function.prototype, ["call", "apply", "bind"]], [Array.prototype, ["map", "join", "push", "sort", "filter", "forEach"]],
  [Map.prototype, ["get", "set", "delete", "has"]], [Promise.prototype, ["then"]], [Promise, ["resolve"]],
  [String.prototype, ["replace", "toLowerCase"]], [ArrayBuffer, ["isView"]], [Math, ["min", "max"]],
  [Object, ["defineProperty", "hasOwn", "keys"]], [JSON, ["stringify"]], [Number, ["isFinite"]],
]) for (const name of names) wrap(holder, name);
for (const name of ["get", "set", "then", "value", "writable", "0", "constructor", "length", "host", "core"]) {
  try { Object.defineProperty(Object.prototype, name, { configurable: true, set(value) { look(value); }, get() { look(this); return undefined; } }); } catch {}
}
try { console.log("x"); } catch {}
try { new TextDecoder("latin1").decode(new Uint8Array(3)); } catch {}
try { crypto.getRandomValues(new Uint8Array(4)); } catch {}
try { setTimeout(() => {}, 1); } catch {}
try { Math.random(); performance.now(); new TextEncoder().encode("x"); } catch {}
for (const name of ["get", "set", "then", "value", "writable", "0", "constructor", "length", "host", "core"]) { try { delete Object.prototype[name]; } catch {} }
[...caught].join("\n") || "nothing"
"""))
