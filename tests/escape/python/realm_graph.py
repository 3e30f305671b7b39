# Walks every object reachable from the global object and from Pyodide, through properties,
# prototypes, symbols, accessors, maps and sets, and looks for functions that lead to the host.
# Known from: membrane audits (SES, realms-shim); workerd's "what is on the global object".
# expect: success
# timeout: 8000
from pyodide.code import run_js
import js
import pyodide_js
import _faas_host

walk = run_js(r"""
(...roots) => {
  const seen = new Set(), queue = roots.map((root) => [root, "root"]), found = [];
  const forbidden = /^(op_|Deno|__bootstrap|__faas|core$|ops$|internals$|readbuffer$|import\.meta)/;
  while (queue.length && seen.size < 300000) {
    const [value, path] = queue.pop();
    if (value === null || (typeof value !== "object" && typeof value !== "function") || seen.has(value)) continue;
    seen.add(value);
    let name = "";
    try { name = typeof value === "function" ? String(value.name) : ""; } catch {}
    if (forbidden.test(name)) found.push("ESCAPED: function " + name + " at " + path);
    if (ArrayBuffer.isView(value)) continue;
    let keys = [];
    try { keys = Reflect.ownKeys(value); } catch {}
    if (keys.length > 30000) continue;
    for (const key of keys) {
      const text = path.length > 200 ? path : path + "." + String(key);
      if (typeof key === "string" && forbidden.test(key) && !/^(ops)$/.test(key)) found.push("ESCAPED: property " + text);
      let property;
      try { property = Reflect.getOwnPropertyDescriptor(value, key); } catch { continue; }
      if (!property) continue;
      queue.push([property.value, text], [property.get, text + ".get"], [property.set, text + ".set"]);
      if (property.get) try { queue.push([value[key], text]); } catch {}
    }
    try { queue.push([Object.getPrototypeOf(value), path + ".__proto__"]); } catch {}
    try { if (value instanceof Map) for (const [k, v] of value) queue.push([k, path], [v, path]); } catch {}
    try { if (value instanceof Set) for (const v of value) queue.push([v, path]); } catch {}
  }
  return seen.size + " objects\n" + found.slice(0, 50).join("\n");
}
""")
print(walk(js, pyodide_js, pyodide_js._api, pyodide_js._module, pyodide_js.FS, _faas_host, walk))
