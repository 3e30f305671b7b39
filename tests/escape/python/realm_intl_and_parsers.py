# Recurses in V8's parsers: JSON, regular expressions, source text, dates.
# Known from: stack exhaustion in recursive descent parsers.
# expect: success
# timeout: 5000
from pyodide.code import run_js

print(run_js(r"""
const results = [];
const attempt = (name, what) => { try { what(); results.push(name); } catch (error) { results.push(name + " " + error.name); } };
attempt("json", () => JSON.parse("[".repeat(1e6)));
attempt("json out", () => { let a = []; for (let i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a); });
attempt("regex", () => new RegExp("(".repeat(1e5) + ")".repeat(1e5)));
attempt("lookaround", () => new RegExp("(?=".repeat(1e4) + ")".repeat(1e4)).test("x"));
attempt("source", () => eval("(".repeat(1e5)));
attempt("operators", () => eval("1" + "+1".repeat(1e5)));
attempt("blocks", () => eval("{".repeat(1e5)));
attempt("templates", () => eval("`${".repeat(1e5)));
attempt("arrows", () => eval("()=>".repeat(1e5) + "1"));
attempt("flat", () => { let a = []; for (let i = 0; i < 1e5; i++) a = [a]; a.flat(Infinity); });
attempt("string", () => { let a = []; for (let i = 0; i < 1e4; i++) a = [a]; String(a); });
attempt("proxy", () => { let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x; });
attempt("locale", () => new Intl.DateTimeFormat("en-u-" + "x-".repeat(1e4)));
results.join("\n")
"""))
