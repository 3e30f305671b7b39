# Leaves JavaScript's prototypes and globals poisoned, for the runner and for the next execution.
# Known from: prototype pollution (CVE-2019-10744 and its family).
import js
from pyodide.code import run_js

run_js(r"""
Object.prototype.polluted = 1;
Array.prototype[Symbol.iterator] = function* () { yield "poisoned"; };
String.prototype.toString = () => "poisoned";
Promise.prototype.then = () => { throw 1; };
Map.prototype.get = () => "poisoned";
JSON.parse = JSON.stringify = () => "poisoned";
globalThis.TextEncoder = globalThis.TextDecoder = class { encode() { return new Uint8Array(0); } decode() { return "poisoned"; } };
globalThis.setTimeout = globalThis.performance = globalThis.crypto = null;
Uint8Array.prototype.slice = Uint8Array.prototype.set = () => {};
Error.prepareStackTrace = () => { throw 2; };
Object.freeze(globalThis);
""")
print("poisoned")
1 / 0
