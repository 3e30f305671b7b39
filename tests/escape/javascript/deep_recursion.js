// Recurses without end, also from native code back into JavaScript.
// Known from: stack exhaustion.
// expect: error
const attempt = (name, what) => { try { what(); console.log(name, "done"); } catch (error) { console.log(name, error.name); } };
attempt("call", () => { (function deep() { deep(); })(); });
attempt("sort", () => { (function deep() { [2, 1].sort(deep); })(); });
attempt("replace", () => { (function deep() { return "x".replace("x", deep); })(); });
attempt("proxy", () => { const p = new Proxy({}, { get: (_, key) => p[key] }); p.x; });
attempt("getter", () => { const o = { get x() { return this.x; } }; o.x; });
attempt("toString", () => { const o = { toString() { return String(o); } }; String(o); });
attempt("json", () => { const o = { toJSON() { return JSON.stringify(o); } }; JSON.stringify(o); });
attempt("constructor", () => { class A { constructor() { new A(); } } new A(); });
attempt("console", () => { const o = { get x() { console.log(o.x); return 1; } }; console.log(o.x); });
attempt("stack", () => { Error.prepareStackTrace = () => { new Error("x").stack; return ""; }; new Error("y").stack; });
attempt("eval", () => { (function deep() { eval("deep()"); })(); });
console.log("an error in a listener is nobody's to catch");
attempt("dispatch", () => { const t = new EventTarget(); t.addEventListener("x", () => t.dispatchEvent(new Event("x"))); t.dispatchEvent(new Event("x")); });
