// Walks everything reachable from the global object and looks for functions of the host.
// Known from: membrane audits (SES); deno_core's ops hang on one object.
// expect: success
// timeout: 8000
const seen = new Set(), queue = [[globalThis, "globalThis"], [(async () => {}).constructor, "AsyncFunction"]];
const samples = [new URL("http://a/?b"), new AbortController(), new TextDecoder(), new Blob(["x"]), new Event("x"), new EventTarget(),
  typeof ReadableStream === "function" ? new ReadableStream() : null, typeof MessageChannel === "function" ? new MessageChannel() : null,
  typeof CompressionStream === "function" ? CompressionStream : null, performance.mark?.("x"), setTimeout(() => {}, 0), new Error("x"), Promise.resolve()];
samples.forEach((sample, index) => queue.push([sample, "sample" + index]));
const forbidden = /^(op_|async_op_|Deno$|__bootstrap|__faas|core$|internals$|primordials$|readbuffer$)/;
let found = 0;
while (queue.length && seen.size < 300000 && found < 30) {
  const [value, path] = queue.pop();
  if (value === null || (typeof value !== "object" && typeof value !== "function") || seen.has(value)) continue;
  seen.add(value);
  let name = "";
  try { name = typeof value === "function" ? String(value.name) : ""; } catch {}
  if (forbidden.test(name)) { console.log("ESCAPED: function", name, path); found++; }
  let keys = [];
  try { keys = Reflect.ownKeys(value); } catch {}
  if (keys.length > 10000) continue;
  for (const key of keys) {
    const text = path.length > 150 ? path : path + "." + String(key);
    if (typeof key === "string" && forbidden.test(key)) { console.log("ESCAPED: property", text); found++; }
    let property;
    try { property = Reflect.getOwnPropertyDescriptor(value, key); } catch { continue; }
    if (!property) continue;
    queue.push([property.value, text], [property.get, text], [property.set, text]);
    if (property.get) try {
      const got = value[key];
      if (got instanceof Promise) got.catch(() => {});
      queue.push([got, text]);
    } catch {}
  }
  try { queue.push([Object.getPrototypeOf(value), path + ".__proto__"]); } catch {}
  try { if (value instanceof Map) for (const [k, v] of value) queue.push([k, path], [v, path]); } catch {}
  try { if (value instanceof Set) for (const v of value) queue.push([v, path]); } catch {}
}
console.log(seen.size > 500);
