# Loops in WebAssembly of its own making.
# Known from: engines that check for interrupts only in JavaScript.
# expect: timeout
# timeout: 400
from pyodide.code import run_js

# (module (func (export "f") (loop br 0)))
run_js("""
const bytes = new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,9,1,7,0,3,64,12,0,11,11]);
new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.f();
""")
