// Makes WebAssembly memories, tables, modules and instances without end.
// Known from: each memory reserves gigabytes of addresses.
// timeout: 5000
const kept = [], counts = {};
const bomb = (name, make, times) => { counts[name] = 0; try { for (let i = 0; i < times; i++) { kept.push(make()); counts[name]++; } } catch (error) { counts[name] += " " + error.name; } };
bomb("memories", () => new WebAssembly.Memory({ initial: 1, maximum: 65536 }), 3000);
bomb("tables", () => new WebAssembly.Table({ element: "anyfunc", initial: 100000 }), 200);
bomb("modules", () => new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])), 20000);
bomb("big", () => new WebAssembly.Memory({ initial: 60000 }), 3);
console.log(JSON.stringify(counts));
