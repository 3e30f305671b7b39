# Waits for ever on shared memory, and asks for more of it than there is.
# Known from: Atomics.wait; Spectre timers made of SharedArrayBuffer.
# expect: timeout
# timeout: 500
from pyodide.code import run_js

run_js(r"""
try { new SharedArrayBuffer(2 ** 40); } catch (error) { console.log(String(error)); }
try { new WebAssembly.Memory({ initial: 65536, maximum: 65536, shared: true }); } catch (error) { console.log(String(error)); }
for (;;) try { Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0); } catch (error) { console.log(String(error)); }
""")
