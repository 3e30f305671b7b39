# Imports modules of the host, of deno_core, of the network, by every scheme and phase.
# Known from: Deno's module schemes; import("ext:core/ops").
# expect: success
from pyodide.code import run_js

print(await run_js(r"""
(async () => {
  const specifiers = ["ext:core/ops", "ext:core/mod.js", "ext:faas_python/realm.js", "ext:faas_python/timers.js",
    "ext:deno_web/00_infra.js", "checkin:core", "internal:core", "pyodide:///boot.mjs", "boot:///wheels.mjs", "pyodide:///pyodide.asm.mjs",
    "file://{{WITNESS}}", "{{WITNESS}}", "./x.js", "node:fs", "npm:left-pad", "jsr:@std/fs", "http://127.0.0.1:{{PORT}}/x.js",
    "https://127.0.0.1:{{PORT}}/x.js", "data:text/javascript,export default 1", "blob:x", "", "\0", "a".repeat(1e6)];
  const results = [];
  for (const specifier of specifiers) {
    for (const how of ["import(s)", "import(s, {with: {type: 'json'}})", "import(s, {with: {type: 'text'}})",
                       "import(s, {with: {type: 'bytes'}})", "import.defer(s)", "import.source(s)"]) {
      try {
        const load = new Function("s", "return " + how);
        const late = new Promise((_, reject) => setTimeout(() => reject(new Error("pending")), 20));
        const module = await Promise.race([load(specifier), late]);
        results.push("ESCAPED: " + specifier.slice(0, 60) + " " + JSON.stringify(module));
      } catch (error) {
        if (String(error).includes("pending")) results.push("ESCAPED: pending " + how + specifier.slice(0, 60));
      }
    }
  }
  return results.join("\n") || "nothing";
})()
"""))
