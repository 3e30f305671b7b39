# Fills V8's own heap and array buffers, and recurses, until something gives.
# Known from: V8's fatal out-of-memory, which ends a process.
# timeout: 5000
from pyodide.code import run_js

run_js(r"""
const kept = [];
try { (function deep(n) { return deep(n + 1) + 1; })(0); } catch {}
try { "x".padEnd(2 ** 29).repeat(2); } catch {}
try { for (let i = 0; i < 64; i++) kept.push(new ArrayBuffer(64 << 20)); } catch {}
try { new Array(2 ** 32 - 2).fill(0); } catch {}
for (;;) kept.push(new Array(10000).fill(kept.length), { kept });
""")
