# Takes hold of the buffer that stops programs, detaches or overwrites it, and spins.
# Known from: Pyodide's setInterruptBuffer.
# expect: timeout
# timeout: 400
import js
import pyodide_js
from pyodide.code import run_js

module = pyodide_js._module
try:
    buffer = module.Py_EmscriptenSignalBuffer
    print(buffer)
    buffer.buffer.transfer()
except BaseException as error:
    print(type(error).__name__)
pyodide_js.setInterruptBuffer(run_js("new Uint8Array(1)"))
module.Py_EmscriptenSignalBuffer = None
pyodide_js.checkInterrupt = lambda: None
while True:
    pass
