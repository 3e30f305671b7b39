# Makes WebAssembly memories, tables, modules and instances without end.
# Known from: address space exhaustion; each memory reserves 8 GiB of guard region.
# timeout: 3000
from pyodide.code import run_js

print(run_js(r"""
const kept = [], counts = {};
const bomb = (name, make, times) => { counts[name] = 0; try { for (let i = 0; i < times; i++) { kept.push(make()); counts[name]++; } } catch (error) { counts[name] += " " + error.name; } };
bomb("memories", () => new WebAssembly.Memory({ initial: 1, maximum: 65536 }), 3000);
bomb("tables", () => new WebAssembly.Table({ element: "anyfunc", initial: 100000 }), 200);
bomb("modules", () => new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])), 20000);
bomb("big memory", () => new WebAssembly.Memory({ initial: 60000 }), 3);
bomb("grow", () => kept[0]?.grow?.(10000), 20);
JSON.stringify(counts)
"""))
