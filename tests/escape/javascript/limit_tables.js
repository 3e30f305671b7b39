// Fills memory outside of the engine's own heap: tables, instances, compiled code, regular expressions.
// Known from: engines that account for objects and not for what they hold.
// expect: success, error, memory_limit, timeout
// timeout: 5000
const kept = [];
const attempt = (name, what) => { try { what(); console.log(name, "went through"); } catch (error) { console.log(name, error?.name); } };
const module = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
attempt("tables", () => { for (let i = 0; i < 20; i++) kept.push(new WebAssembly.Table({ initial: 1e7, element: "externref" })); });
kept.length = 0;
attempt("instances", () => { for (let i = 0; i < 20000; i++) kept.push(new WebAssembly.Instance(module)); });
kept.length = 0;
attempt("code", () => { for (let i = 0; i < 20000; i++) kept.push(new Function("return " + "a".repeat(1000) + i)); });
kept.length = 0;
attempt("expressions", () => { for (let i = 0; i < 3000; i++) { const expression = new RegExp("(" + "a|".repeat(500) + i + ")"); expression.test("x"); kept.push(expression); } });
kept.length = 0;
attempt("symbols", () => { for (let i = 0; i < 1e6; i++) kept.push(Symbol.for("s" + i)); });
