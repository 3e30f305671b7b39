# Walks WebAssembly's function table, calls entries with wrong arguments, replaces some.
# Known from: control-flow hijacking within a WebAssembly module ("Everything Old is New Again", USENIX 2020).
# timeout: 3000
import js
import pyodide_js
from pyodide.code import run_js

table = pyodide_js._module.wasmTable
print(table.length)
called = run_js("""
(table) => {
  let called = 0;
  for (let i = 0; i < 400; i++) {
    try {
      const f = table.get(i);
      if (f && String(f).includes("op_")) return "ESCAPED: " + f;
      if (f) { f(1, 2, 3, 4, 5, 6); called++; }
    } catch {}
  }
  return called;
}""")(table)
print(called)
run_js("(table) => { for (let i = 1; i < table.length; i++) try { table.set(i, table.get((i * 7) % table.length)); } catch {} }")(table)
print(sorted([3, 1, 2]))
