# Has WebAssembly's streaming compiler ask the host for bytes, from Python.
# Known from: deno_core's call-back for streams, which panics when no handler was set.
# expect: success
import asyncio
from pyodide.code import run_js

for how in ["compileStreaming", "instantiateStreaming"]:
    for source in ["1", "({})", "Promise.resolve({ body: null, arrayBuffer: async () => new ArrayBuffer(8) })", "new Uint8Array(8)"]:
        try:
            await asyncio.wait_for(run_js(f"WebAssembly.{how}({source})"), 0.1)
            print("compiled")
        except BaseException as error:
            print(type(error).__name__, str(error)[:80])
print("done")
