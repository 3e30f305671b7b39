// Replaces every method and accessor of every object that a program can reach, then uses everything, and
// looks whether an internal call hands over a function of the host.
// Known from: attacks on Deno's and Node's internals through unprotected prototypes ("primordials").
// expect: success
// timeout: 8000
const { apply, construct, ownKeys, getOwnPropertyDescriptor, defineProperty, getPrototypeOf } = Reflect;
const toText = Function.prototype.toString, test = RegExp.prototype.test, addTo = Set.prototype.add, hasIn = Set.prototype.has, print = console.log;
const known = new Set(), escaped = new Set();
const has = (value) => apply(hasIn, known, [value]);
const isObject = (value) => value !== null && (typeof value === "object" || typeof value === "function");
// Everything that hangs on a value, without running anything of it.
function walk(root, limit, see) {
  const queue = [root], seen = new Set();
  let next = 0;
  while (next < queue.length && next < limit) {
    const value = queue[next++];
    if (!isObject(value) || apply(hasIn, seen, [value]) || has(value)) continue;
    apply(addTo, seen, [value]);
    see(value);
    let keys = [];
    try { keys = ownKeys(value); } catch {}
    if (keys.length > 2000) continue;
    for (let i = 0; i < keys.length; i++) {
      let property;
      try { property = getOwnPropertyDescriptor(value, keys[i]); } catch {}
      if (!property) continue;
      queue[queue.length] = property.value;
      queue[queue.length] = property.get;
      queue[queue.length] = property.set;
    }
    try { queue[queue.length] = getPrototypeOf(value); } catch {}
  }
}
const graph = [];
walk(globalThis, 200000, (value) => { graph[graph.length] = value; });
for (const sample of [new URL("http://a/?b"), new AbortController(), new Blob(["x"]), new ReadableStream(), new MessageChannel(), (async function* () {})(), [].values(),
  new Map().entries(), new Set().values(), "".matchAll(/x/g), new URLSearchParams("a=b").entries(), setTimeout(() => {}), setImmediate(() => {})]) {
  walk(sample, 5000, (value) => { graph[graph.length] = value; });
}
for (let i = 0; i < graph.length; i++) apply(addTo, known, [graph[i]]);
let busy = false;
function look(value) {
  if (busy || !isObject(value) || has(value)) return;
  busy = true;
  try {
    walk(value, 300, (inner) => {
      if (typeof inner !== "function") {
        if (getOwnPropertyDescriptor(inner, "op_panic") || getOwnPropertyDescriptor(inner, "primordials")) apply(addTo, escaped, ["ESCAPED: internals"]);
        return;
      }
      const name = getOwnPropertyDescriptor(inner, "name")?.value;
      if (typeof name === "string" && apply(test, /^(bound |async_)?op_/, [name])) apply(addTo, escaped, ["ESCAPED: " + name]);
    });
  } catch {} finally { busy = false; }
}
const wrap = (original) => new Proxy(original, {
  apply(target, self, values) {
    look(self);
    for (let i = 0; i < values.length; i++) look(values[i]);
    const result = apply(target, self, values);
    look(result);
    return result;
  },
  construct(target, values, type) {
    for (let i = 0; i < values.length; i++) look(values[i]);
    return construct(target, values, type);
  },
});
const wait = (ms) => new Promise((resolve) => later(resolve, ms));
const later = setTimeout;
for (let i = 0; i < graph.length; i++) {
  const holder = graph[i];
  const keys = ownKeys(holder);
  for (let k = 0; k < keys.length; k++) {
    if (keys[k] === "constructor" || keys[k] === "Reflect" || keys[k] === "Proxy" || holder === Reflect) continue;
    try {
      const property = getOwnPropertyDescriptor(holder, keys[k]);
      if (!property.configurable) continue;
      if (typeof property.value === "function") defineProperty(holder, keys[k], { ...property, value: wrap(property.value) });
      else if (property.get || property.set) defineProperty(holder, keys[k], { ...property, get: property.get && wrap(property.get), set: property.set && wrap(property.set) });
    } catch {}
  }
}
const channel = new MessageChannel();
channel.port1.onmessage = () => channel.port1.close();
const calls = [
  () => new URL("http://a/?b=c#d").searchParams.get("b"), () => [...new URLSearchParams("a=b&c=d")], () => new URLPattern({ pathname: "/:x" }).exec("http://a/b"),
  () => new TextDecoder("utf-16le").decode(new Uint8Array(4)), () => new TextEncoder().encodeInto("x", new Uint8Array(4)), () => atob("YQ==") + btoa("a"),
  () => structuredClone({ a: [1n, new Date(), /x/, new Map([[1, new Set([2])]]), new Error("x"), new Blob(["y"])] }), () => new Blob(["x", new Blob(["y"])]).slice(0, 1).text(),
  () => new Blob(["x"]).arrayBuffer(), () => new Blob(["x"]).stream().getReader().read(), () => new File(["x"], "y").text(), () => channel.port2.postMessage({ a: 1 }),
  () => new EventTarget().dispatchEvent(new CustomEvent("x", { detail: 1 })), () => AbortSignal.timeout(1), () => AbortSignal.any([AbortSignal.abort()]), () => new AbortController().abort(),
  () => new Response("x").text(), () => crypto.subtle.digest("SHA-256", new Uint8Array(2)), () => crypto.getRandomValues(new Uint8Array(2)), () => crypto.randomUUID(),
  () => new ReadableStream({ start(c) { c.enqueue(new Uint8Array(9)); c.close(); }, type: "bytes" }).pipeThrough(new CompressionStream("gzip")).pipeThrough(new DecompressionStream("gzip")).getReader().read(),
  () => new ReadableStream({ start(c) { c.enqueue("x"); c.close(); } }).pipeThrough(new TextEncoderStream()).pipeTo(new WritableStream({})), () => ReadableStream.from([1, 2]).tee(),
  () => { const reader = new FileReader(); reader.readAsText(new Blob(["x"])); return wait(5); }, () => performance.mark("x") && performance.measure("y", "x"), () => performance.timeOrigin,
  () => console.log({ a: new Map([[1, { b: new Proxy({}, {}) }]]), p: Promise.resolve(1), w: new WeakMap(), f() {}, e: new DOMException("x", "AbortError"), u: new URL("http://a") }),
  () => console.table([{ a: 1 }]), () => console.log("%s %o %O %d %j", { a: 1 }, [1], new Set([1]), 2, {}), () => console.trace("x"), () => { throw null_ ; }, () => Promise.reject(new Error("x")).catch(() => {}),
  () => setImmediate(() => {}), () => queueMicrotask(() => {}), () => clearInterval(setInterval(() => {}, 1000)), () => files.list(), () => files.write("x.txt", "y"), () => WebAssembly.compile(new Uint8Array(8)),
  () => Intl.DateTimeFormat().format(), () => new Error("x", { cause: new Error("y") }).stack, () => import("x"), () => eval("1"), () => new Function("return 1")(), () => math_(),
];
for (let i = 0; i < calls.length; i++) {
  try {
    const result = calls[i]();
    look(result);
    await Promise.race([result, wait(20)]).catch(() => {});
  } catch {}
}
let text = "";
for (const line of escaped) text += line + "\n";
print(text || "nothing");
